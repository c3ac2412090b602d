"""Images a second of our training loop beside Keras alone, in one process and in turns.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --backbone efficientnet_lite0 --image-size 96 --steps 10
    python benchmarks/throughput.py --peer-python peer/bin/python

The whole network is trained with batch normalisation frozen, as finetune does by default, or, with
``--train-norms``, not frozen. Ours is ``fit`` on a data set on disk: reading, resizing,
augmentation, the callback after every batch. Bare is ``train_on_batch`` of a twin network on one
ready array. Blocks of steps alternate, and the first steps of each block are not timed: they take
what the other block left prefetched.
Prediction is ``predict_logits`` with weights as constants, as it is of 512 images or more, beside
``predict_on_batch``. The ratio is the median over pairs of
neighbouring blocks, so that what else the machine does meets both; ``--clock processor`` counts the
seconds of cores that the process itself used, for a machine that is never quiet. ``--peer-python``
adds timm, by timm_throughput.py in an environment of its own, afterwards and by the wall's clock.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion import runtime
from skinlesion.config import AdamW, Augment, FinetuneConfig, Schedule
from skinlesion.data.sampling import Images
from skinlesion.data.store import PixelStore, write_pixels
from skinlesion.progress import Counter, Reporter

BACKBONES = ("efficientnet_lite0", "efficientnetb0", "resnet50")
STORED_SIZE = 256
UNTIMED = 4  # 2 batches are prefetched, 2 in the making
AUGMENT = {"finetune": FinetuneConfig().augment, "flip": Augment(), "none": Augment(flip=False)}
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
PEER = Path(__file__).with_name("timm_throughput.py")
COLUMNS = ("train", "bare train", "ratio", "predict", "bare predict", "ratio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", nargs="+", default=list(BACKBONES))
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed a block")
    parser.add_argument("--repeats", type=int, default=3, help="blocks of each kind")
    parser.add_argument("--augment", choices=AUGMENT, default="finetune")
    parser.add_argument("--train-norms", action="store_true", help="of every contestant")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--peer-python", help="an interpreter with torch and timm")
    given = parser.parse_args()
    runtime.prepare(seed=0, threads=given.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        images = made_up_images(Path(folder), given.batch_size)
        for backbone in given.backbone:
            for precision in given.precision:
                train = measure_training(backbone, precision, images, Path(folder), given)
                predict = measure_prediction(backbone, precision, images, given)
                rows.append((backbone, precision, train, predict))
                print(f"{backbone} {precision}: {cells(train)} | {cells(predict)}", flush=True)
    print("\n" + table(rows, peer_rates(given) if given.peer_python else {}))


@dataclass
class Pairs:
    """Seconds an image of neighbouring blocks."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    def rates(self) -> tuple[float, float, float]:
        """Images a second of ours and of bare, and how many times as fast ours is."""
        ratio = statistics.median(b / a for a, b in zip(self.ours, self.bare, strict=True))
        return 1 / statistics.median(self.ours), 1 / statistics.median(self.bare), ratio


def made_up_images(folder: Path, batch_size: int) -> Images:
    """Noise on disk, 8 batches of it."""
    count, rng = 8 * batch_size, np.random.default_rng(0)
    shape = (STORED_SIZE, STORED_SIZE, 3)
    pixels = (rng.integers(0, 256, shape, np.uint8) for _ in range(count))
    path = folder / "pixels.npy"
    write_pixels(path, pixels, count=count, size=STORED_SIZE)
    return Images(PixelStore(path), np.arange(count), np.arange(count) % 2)


class Alternating(Reporter):
    """Times blocks of ``fit``'s steps, and runs ``bare`` between them."""

    def __init__(self, bare: Callable[[], object], given: argparse.Namespace) -> None:
        super().__init__(quiet=True)
        self.bare, self.given, self.pairs = bare, given, Pairs()
        self._step, self._started = 0, 0.0

    @contextmanager
    def counting(self, what: str, total: int, *, unit: str = "img") -> Iterator[Counter]:
        """A counter that hears of every batch."""
        counter: Any = Counter(total)
        counter.advance = self._after_step
        yield counter

    def _after_step(self, count: int, note: str | None = None) -> None:
        if not count:
            return
        self._step += 1
        if self._step == UNTIMED:
            self._started = now(self.given)
        if self._step == UNTIMED + self.given.steps:
            self.pairs.ours.append(self._seconds_an_image())
            self._step = 0
            for step in range(UNTIMED + self.given.steps):
                if step == UNTIMED:
                    self._started = now(self.given)
                self.bare()
            self.pairs.bare.append(self._seconds_an_image())

    def _seconds_an_image(self) -> float:
        seconds = now(self.given) - self._started
        return seconds / (self.given.steps * self.given.batch_size)


def measure_training(
    backbone: str, precision: str, images: Images, folder: Path, given: argparse.Namespace
) -> Pairs:
    """Blocks of our loop and of ``train_on_batch``; the first pair, which traces, is left out."""
    from skinlesion import models
    from skinlesion.losses import make_loss
    from skinlesion.training.checkpoint import Checkpoints
    from skinlesion.training.compiling import compile_model
    from skinlesion.training.fit import fit
    from skinlesion.training.tasks import image_batches

    blocks = given.repeats + 1
    wanted = blocks * (UNTIMED + given.steps) * given.batch_size
    rows = np.resize(images.rows, wanted)
    recipe = FinetuneConfig(
        optimizer=AdamW(name="adamw", learning_rate=1e-6),
        schedule=Schedule(warmup_epochs=0),
        augment=AUGMENT[given.augment],
        batch_size=given.batch_size,
        epochs=1,
    )
    shown = Images(images.pixels, rows, rows % 2)
    batches = image_batches(shown, recipe, image_size=given.image_size, seed=0)
    loss = make_loss("binary_crossentropy")
    model, twin = (network(backbone, precision, given) for _ in range(2))
    for one in (model, twin):
        models.set_trainable(one, "all", freeze_batch_norm=not given.train_norms)
    compile_model(twin, loss, recipe, steps=batches.order.steps, depths={})
    ready = ready_array(given)
    labels = (np.arange(given.batch_size) % 2)[:, None].astype(np.float32)
    reporter = Alternating(lambda: twin.train_on_batch(ready, labels), given)
    with tempfile.TemporaryDirectory(dir=folder) as state:
        fit(
            model,
            batches,
            lambda: (np.array([0, 1]), np.array([0.0, 1.0])),
            loss=loss,
            recipe=recipe,
            checkpoints=Checkpoints(Path(state)),
            reporter=reporter,
            on_epoch=lambda history: None,
        )
    return Pairs(reporter.pairs.ours[1:], reporter.pairs.bare[1:])


def measure_prediction(
    backbone: str, precision: str, images: Images, given: argparse.Namespace
) -> Pairs:
    """Blocks of ``predict_logits`` and of ``predict_on_batch``; the first pair is left out."""
    from skinlesion.training.predict import fixed_forward, predict_logits

    model, ready, pairs = network(backbone, precision, given), ready_array(given), Pairs()
    call, steps = fixed_forward(model), UNTIMED + given.steps
    rows = np.resize(images.rows, steps * given.batch_size)
    shown = Images(images.pixels, rows, rows % 2)
    ends: list[float] = []

    def note(count: int) -> None:
        ends.append(now(given))

    def ours() -> None:
        predict_logits(
            call, shown, image_size=given.image_size, batch_size=given.batch_size, advance=note
        )

    def bare() -> None:
        for _ in range(steps):
            note(len(model.predict_on_batch(ready)))

    for number in range(given.repeats + 1):
        for run, seconds in ((ours, pairs.ours), (bare, pairs.bare)):
            ends.clear()
            run()
            if number:
                taken = ends[-1] - ends[UNTIMED - 1]
                seconds.append(taken / (given.steps * given.batch_size))
    return pairs


def now(given: argparse.Namespace) -> float:
    """Seconds."""
    return CLOCKS[given.clock]()


def network(backbone: str, precision: str, given: argparse.Namespace) -> Any:
    from skinlesion import models
    from skinlesion.config import ModelConfig

    config = ModelConfig.model_validate(
        {"backbone": backbone, "weights": "none", "image_size": given.image_size}
    )
    return models.build_model(**config.model_dump(), seed=0, precision=precision)


def ready_array(given: argparse.Namespace) -> np.ndarray:
    shape = (given.batch_size, given.image_size, given.image_size, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def peer_rates(given: argparse.Namespace) -> dict[tuple[str, str], dict[str, Any]]:
    """What timm does, by backbone and precision."""
    options = {
        "--image-size": given.image_size,
        "--batch-size": given.batch_size,
        "--threads": given.threads,
        "--steps": given.steps,
        "--repeats": given.repeats,
    }
    words = [str(word) for pair in options.items() for word in pair]
    words += ["--train-norms"] * given.train_norms
    command = [given.peer_python, str(PEER), "--backbone", *given.backbone, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {(row["backbone"], row["precision"]): row for row in rows}


def cells(pairs: Pairs) -> str:
    ours, bare, ratio = pairs.rates()
    return f"{ours:.1f} | {bare:.1f} | {ratio:.3f}"


def table(
    rows: list[tuple[str, str, Pairs, Pairs]], peers: dict[tuple[str, str], dict[str, Any]]
) -> str:
    """Markdown; timm's columns are there if timm is."""
    head = ["images a second", "precision", *COLUMNS]
    head += ["timm train", "timm predict"] * bool(peers)
    lines = [head, ["---"] * len(head)]
    for backbone, precision, train, predict in rows:
        line = [backbone, precision, cells(train), cells(predict)]
        peer = peers.get((backbone, precision))
        line += [f"{peer['train']:.1f}", f"{peer['predict']:.1f}"] if peer else []
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
