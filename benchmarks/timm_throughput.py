"""Images a second of PyTorch with timm on ready arrays: the peer of throughput.py.

    python3 -m venv peer && peer/bin/pip install torch torchvision timm
    peer/bin/python benchmarks/timm_throughput.py --threads 2

Runs without skinlesion, in an environment of its own: TensorFlow and PyTorch in one process fight
over threads. Training is forward, backward and AdamW on one batch, in channels_last, in float32
and with bfloat16 autocast, batch normalisation frozen by timm's own function unless
``--train-norms``; prediction is inference_mode. Prints one JSON object a line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable

# Our name: timm's.
NAMES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnetb0": "efficientnet_b0",
    "resnet50": "resnet50",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed a repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train-norms", action="store_true")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    for backbone in given.backbone:
        for precision in ("float32", "bfloat16"):
            print(json.dumps(measure(backbone, precision, given)), flush=True)


def measure(backbone: str, precision: str, given: argparse.Namespace) -> dict[str, object]:
    """Median images a second of training and of prediction."""
    import timm
    import torch
    from timm.layers import freeze_batch_norm_2d

    model = timm.create_model(NAMES[backbone], num_classes=1)
    if not given.train_norms:
        model = freeze_batch_norm_2d(model)
    model = model.to(memory_format=torch.channels_last)
    shape = (given.batch_size, 3, given.image_size, given.image_size)
    images = torch.rand(shape).to(memory_format=torch.channels_last)
    labels = (torch.arange(given.batch_size) % 2).float()[:, None]
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=1e-2)
    loss = torch.nn.BCEWithLogitsLoss()

    def autocast() -> contextlib.AbstractContextManager[object]:
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=torch.bfloat16)

    def train() -> None:
        with autocast():
            value = loss(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()

    def predict() -> None:
        with torch.inference_mode(), autocast():
            model(images)

    model.train()
    training = rate(train, given)
    model.eval()
    return {
        "backbone": backbone,
        "framework": f"torch {torch.__version__}, timm {timm.__version__}",
        "precision": precision,
        "train": round(training, 2),
        "predict": round(rate(predict, given), 2),
    }


def rate(step: Callable[[], None], given: argparse.Namespace) -> float:
    """Images a second, the median of repeats, after one step that is not timed."""
    step()
    rates = []
    for _ in range(given.repeats):
        started = time.perf_counter()
        for _ in range(given.steps):
            step()
        rates.append(given.steps * given.batch_size / (time.perf_counter() - started))
    return statistics.median(rates)


if __name__ == "__main__":
    main()
