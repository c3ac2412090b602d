"""How often predict's flags are wrong: on dermoscopic images, on pictures of other things, on blur.

    python benchmarks/quality_flags.py DATASET                    # rates on ISIC 2017 test
    python benchmarks/quality_flags.py DATASET --pictures DIR ... # and on pictures of other things
    python benchmarks/quality_flags.py DATASET --fit              # make the reference again

DATASET is what preprocess wrote of ISIC 2017 and HAM10000 at 256 pixels, squashed, not cleaned.
The reference is made of its train split alone, a mean and a covariance for each source.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import ndimage

from skinlesion.data.images import decode, stored_size
from skinlesion.data.parallel import ordered_map
from skinlesion.data.quality.dermoscopy import REFERENCE, SIDE, appearance
from skinlesion.data.quality.flags import FLAGS, quality_flags
from skinlesion.data.sources.records import IMAGE_SUFFIXES
from skinlesion.data.store import open_dataset
from skinlesion.errors import DataError
from skinlesion.metrics.proportions import wilson
from skinlesion.tables import TRAIN

PERCENTILE = 98
BLUR = 3.0  # pixels of 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.dataset)
    if arguments.fit:
        REFERENCE.write_text(json.dumps(fit(dataset), indent=1) + "\n")
    for split in sorted(set(dataset.manifest.split.tolist()) - {TRAIN, "val"}):
        images = [dataset.pixels.read(np.array([row]))[0] for row in dataset.manifest.rows(split)]
        report(split, images)
        report(f"{split}, blurred", [blurred(image) for image in images])
    report("noise, ramps and flat colours", list(made_up()))
    if arguments.pictures:
        report("pictures of other things", list(pictures(arguments.pictures)))


def fit(dataset):
    manifest = dataset.manifest
    rows = manifest.rows(TRAIN)
    values = np.array(
        list(ordered_map(lambda row: appearance(dataset.pixels.read(np.array([row]))[0]), rows))
    )
    sources, distances = {}, []
    for source in np.unique(manifest.source[rows]):
        own = values[manifest.source[rows] == source]
        mean, covariance = own.mean(axis=0).round(6), np.cov(own.T).round(8)
        sources[str(source)] = {
            "images": len(own),
            "mean": mean.tolist(),
            "covariance": covariance.tolist(),
        }
        apart = values - mean
        inverse = np.linalg.inv(covariance)
        distances.append(np.sqrt(np.einsum("ni,ij,nj->n", apart, inverse, apart)))
    nearest = np.min(distances, axis=0)
    threshold = round(float(np.percentile(nearest, PERCENTILE)), 3)
    return {"percentile": PERCENTILE, "threshold": threshold, "sources": sources}


def report(name, images):
    found = Counter(
        flag for flags in ordered_map(lambda i: quality_flags(i, SIDE), images) for flag in flags
    )
    print(f"{name}: {len(images)} images")
    for flag in FLAGS:
        rate = wilson(found[flag], len(images), confidence=0.95)
        shown = f"{rate.value:.1%} ({rate.low:.1%}-{rate.high:.1%})"
        print(f"  {flag:<18} {found[flag]:>4}  {shown}")


def blurred(image):
    return ndimage.gaussian_filter(image, (BLUR, BLUR, 0))


def made_up():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.uint8)
    yield rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    yield np.stack([columns] * 3, axis=-1)
    yield np.stack([columns, rows, 255 - columns], axis=-1)
    for colour in ((0, 0, 0), (255, 255, 255), (215, 180, 165)):
        yield np.full((SIDE, SIDE, 3), colour, dtype=np.uint8)


def pictures(folders):
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                try:
                    stored_size(file)
                    yield decode(file, SIDE)
                except DataError as error:
                    print(error.what)


if __name__ == "__main__":
    main()
