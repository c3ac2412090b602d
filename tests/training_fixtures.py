"""A fabricated data set, a network of three small blocks, and short runs on them."""

import contextlib
import csv
import dataclasses
import functools
from pathlib import Path

import h5py
import keras
import numpy as np

from skinlesion.commands import ensemble, finetune, train
from skinlesion.config import (
    EnsembleConfig,
    FinetuneConfig,
    PreprocessConfig,
    TrainConfig,
    validate,
)
from skinlesion.data.store import write_dataset
from skinlesion.models import building
from skinlesion.models.backbones import BACKBONES, Backbone
from skinlesion.progress import Counter, Reporter
from skinlesion.tables import Manifest

SIZE = 32
COUNTS = {"train": 22, "val": 12, "test": 6}
BACKBONE, WIDE_BACKBONE = "efficientnet_lite0", "efficientnet_lite1"


class QuickReporter(Reporter):
    """Says nothing; presses Ctrl-C in the count called ``interrupt`` after ``after`` items.

    Attributes:
        counted: Items by what was counted.
        said: What was said.
        still_open: Bars not taken off the terminal.
    """

    def __init__(self, *, interrupt="", after=0):
        super().__init__(quiet=True)
        self.interrupt, self.after = interrupt, after
        self.counted, self.said, self.still_open = {}, [], 0

    def say(self, text):
        self.said.append(text)

    @contextlib.contextmanager
    def counting(self, what, total, *, unit="img"):
        counter = Counter(total)
        advance = counter.advance

        def interruptible(count, note=None):
            advance(count, note)
            self.counted[what] = counter.done
            if what == self.interrupt and counter.done >= self.after:
                raise KeyboardInterrupt

        counter.advance = interruptible
        self.still_open += 1
        try:
            yield counter
        finally:
            self.still_open -= 1


def write_lesions(folder, *, counts=COUNTS, size=SIZE, seed=0, names=None):
    """A data set folder: dark discs (malignant) and pale ones (benign) on noisy skin.

    Args:
        folder: To make.
        counts: Images by split; half of them malignant, half of these melanomas.
        size: Pixels a side.
        seed: Of the noise.
        names: Image ids; None: l000, l001, ...
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    split = np.repeat(list(counts), list(counts.values()))
    number = np.concatenate([np.arange(count) for count in counts.values()])
    label = number % 2
    names = names or [f"l{index:03d}" for index in range(len(split))]
    ids = np.array(names)
    manifest = Manifest(
        image_id=ids,
        path=ids,
        label=label,
        melanoma=np.where(number % 4 == 1, 1, 0),
        group=ids,
        split=split,
        diagnosis=np.full(len(ids), ""),
        source=np.full(len(ids), "fabricated"),
    )
    pixels = [_lesion(value, size, rng) for value in label]
    settings = PreprocessConfig(image_size=size).model_dump(mode="json")
    write_dataset(folder, manifest, pixels, size=size, description={"settings": settings})
    return folder


def _lesion(label, size, rng):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    centre_y, centre_x = rng.uniform(-size / 8, size / 8, 2)
    disc = np.hypot(y - centre_y, (x - centre_x) * (1.5 if label else 1.0)) < size / 4
    colour = np.array([90, 60, 50] if label else [160, 120, 100])
    image = np.where(disc[:, :, None], colour, [215, 180, 165])
    noisy = image + rng.normal(0, 25, (1, 1, 3)) + rng.normal(0, 12, image.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def tiny_network(image_size, *, width=1, dropout=0.1, stochastic_depth=0.0):
    """Three blocks of convolution, normalisation and ReLU; dropout inside; 8 features a width."""
    image = keras.Input((image_size, image_size, 3))
    x = image
    for name, filters in (("stem", 4), ("block1a", 6), ("block2a", 8)):
        x = keras.layers.Conv2D(filters * width, 3, strides=2, use_bias=False, name=f"{name}_conv")(
            x
        )
        norm = f"{name}_bn" if name == "stem" else f"{name}_project_bn"
        x = keras.layers.BatchNormalization(momentum=0.8, name=norm)(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
        if name == "block1a":
            x = keras.layers.Dropout(dropout, name="block1a_dropout")(x)
    if stochastic_depth:
        x = keras.layers.Dropout(stochastic_depth, noise_shape=(None, 1, 1, 1))(x)
    return keras.Model(image, x, name="backbone")


class FixedWeights:
    """Stands for ImageNet: the same random weights whatever the seed."""

    def pretrained(self, network, image_size):
        built = network(image_size)
        rng = np.random.default_rng(99)
        for layer in built.layers:
            if isinstance(layer, keras.layers.Conv2D):
                layer.kernel.assign(rng.normal(0, 0.3, layer.kernel.shape))
        return built


def use_tiny_backbone(monkeypatch, **options):
    """Let ``efficientnet_lite0`` mean ``tiny_network``, and ``_lite1`` one twice as wide."""
    row = Backbone(
        network=functools.partial(tiny_network, **options),
        scaling="lite",
        native_size=SIZE,
        min_size=SIZE,
        block_end=r"^(block[0-9]+[a-z]?)_(?:project_bn|add)$",
        imagenet=FixedWeights(),
        citation="none",
        stochastic_depth=0.0,
    )
    monkeypatch.setattr(building, "pretrained", FixedWeights.pretrained)
    monkeypatch.setitem(BACKBONES, BACKBONE, row)
    wide = dataclasses.replace(row, network=functools.partial(tiny_network, width=2, **options))
    monkeypatch.setitem(BACKBONES, WIDE_BACKBONE, wide)


def train_config(dataset, **changes):
    """A short run of the whole tiny model; a dotted key changes a field of a section."""
    values = {
        "dataset": str(dataset),
        "model": {"backbone": BACKBONE, "weights": "none", "image_size": SIZE},
        "trainable": "all",
        "optimizer": {"name": "adamw", "learning_rate": 0.01},
        "schedule": {"warmup_epochs": 0},
        "batch_size": 8,
        "epochs": 2,
    }
    return validate(_changed(values, changes), TrainConfig, where="test")


def head_config(dataset, **changes):
    """A short run of the head of the tiny model."""
    head = {"model.weights": "imagenet", "trainable": "head"}
    return train_config(dataset, **{**head, **changes})


def finetune_config(parent, **changes):
    """One more epoch."""
    values = {"run": str(parent), "epochs": 1, "batch_size": 8, "schedule": {"warmup_epochs": 0}}
    return validate(_changed(values, changes), FinetuneConfig, where="test")


def _changed(values, changes):
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return values


def run_train(config, path, **options):
    return train.run(config, Path(path), **{"reporter": QuickReporter(), **options})


def run_finetune(config, path, **options):
    return finetune.run(config, Path(path), **{"reporter": QuickReporter(), **options})


def train_pair(place):
    """Runs ``a`` and ``b``, which take images of two sizes, on a new ``dataset`` in ``place``."""
    dataset = write_lesions(place / "dataset")
    for name, changes in {"a": {}, "b": {"seed": 1, "model.image_size": 48}}.items():
        run_train(train_config(dataset, **{"epochs": 1, **changes}), place / name)


def combine_pair(place):
    """Ensembles ``mean`` and ``majority_vote`` of what ``train_pair`` made."""
    for method in ("mean", "majority_vote"):
        members = EnsembleConfig(members=(place / "a", place / "b"), method=method)
        ensemble.run(members, place / method, reporter=QuickReporter())


def stored_weights(run):
    """Every array in a run's weights file, by its path there."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(run.weights, "r") as file:
        file.visititems(visit)
    return found


def history_of(run):
    """The rows of history.csv as numbers."""
    with run.history.open() as file:
        rows = list(csv.DictReader(file))
    return [{name: float(cell) for name, cell in row.items()} for row in rows]


def uses(run):
    """Image ids by split, from split.csv."""
    found = {}
    with run.split.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["split"], set()).add(row["image_id"])
    return found


def outcome(run):
    """All that a run computed: to be equal, or not, to another's."""
    predictions = {split: run.predictions(split).read_text() for split in run.predicted_splits()}
    weights = {name: array.tobytes() for name, array in stored_weights(run).items()}
    return {
        "weights": weights,
        "history": run.history.read_text(),
        "predictions": predictions,
        "split": run.split.read_text(),
    }
