"""Images a second of each precision, timed as ``precision: auto`` does, on made-up images.

python benchmarks/precision.py                                    # prints a Markdown table
python benchmarks/precision.py --backbone resnet50 --batch-size 16 --no-training

Features are what a head run computes once, training is a step of the whole network.
"""

from __future__ import annotations

import argparse

from skinlesion import runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--no-training", action="store_true", help="features only")
    given = parser.parse_args()
    runtime.prepare(seed=0)
    from skinlesion import models
    from skinlesion.config import ModelConfig, Recipe
    from skinlesion.training.precision import (
        candidates,
        forward_step,
        time_steps,
        training_step,
        twin,
    )

    build = {"backbone": given.backbone, "image_size": given.image_size, "weights": "none"}
    config = ModelConfig.model_validate(build)
    model = models.build_model(**config.model_dump())
    copies = {name: twin(model, config, seed=0, precision=name, copy=True) for name in candidates()}
    size = given.batch_size
    steps = {
        "features": {
            name: forward_step(models.feature_extractor(copy), batch_size=size)
            for name, copy in copies.items()
        }
    }
    if not given.no_training:
        steps["training"] = {
            name: training_step(copy, Recipe(), batch_size=size) for name, copy in copies.items()
        }
    print(f"| {given.backbone}, {given.image_size} px | {' | '.join(copies)} |")
    print(f"|---|{'---|' * len(copies)}")
    for what, timed in steps.items():
        rates = [f"{size / seconds:.1f}" for seconds in time_steps(timed).values()]
        print(f"| {what} | {' | '.join(rates)} |", flush=True)


if __name__ == "__main__":
    main()
