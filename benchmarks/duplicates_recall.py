"""Measure which altered copies of real images are found, and which real images are called copies.

python benchmarks/duplicates_recall.py FOLDER ...                  # folders of images
    --twins 500              images altered in each way, chosen among all folders
    --lesions metadata.csv   columns image_id, lesion_id: are the pairs views of one lesion?
    --sheets DIR             write pictures of all pairs, and of those just below the threshold
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from skinlesion.data.duplicates import (
    MIN_SIMILARITY,
    Pairs,
    apply_symmetry,
    near_duplicates,
    signatures,
)
from skinlesion.data.images import decode
from skinlesion.data.parallel import ordered_map
from skinlesion.tables import read_columns

SIZE = 256
SUFFIXES = {".jpg", ".jpeg", ".png"}
LOWEST = 0.4  # what the histogram begins at
SHEET_COLUMNS, SHEET_ROWS, THUMBNAIL, CAPTION = 6, 9, 112, 26

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--twins", type=int, default=500)
    parser.add_argument("--lesions", type=Path)
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()

    paths = [_images(folder) for folder in options.folders]
    everything = [path for listed in paths for path in listed]
    every = signatures(ordered_map(lambda path: decode(path, SIZE), everything))
    print_recall(everything, every, options.twins)
    lesion = _lesions(options.lesions, everything)
    ends = np.cumsum([len(listed) for listed in paths])
    folder = np.searchsorted(ends, np.arange(len(everything)), side="right")
    pairs = near_duplicates(every, min_similarity=LOWEST)
    kinds = _kinds(pairs, folder, options.folders, lesion)
    print_pairs(pairs, kinds, np.bincount(folder))
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for kind in dict.fromkeys(kinds.tolist()):
            write_sheets(options.sheets, kind, pairs, kinds == kind, everything)


def print_recall(paths: list[Path], every: np.ndarray, count: int) -> None:
    """Of altered copies of ``count`` images: how many find their original among all images."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(paths), min(count, len(paths)), replace=False)
    originals = [decode(paths[row], SIZE) for row in chosen]
    # Images that are duplicates of a twin's original are right answers, too.
    own = near_duplicates(every)
    known = set(zip(own.first.tolist(), own.second.tolist(), strict=True))
    known |= {(b, a) for a, b in known} | {(row, row) for row in range(len(every))}

    print(f"copies of {len(chosen)} images among {len(every)}")
    print(f"{'alteration':34} found    lowest similarity  other images matched")
    for name, transform in TRANSFORMS.items():
        twins = signatures(transform(pixels, rng) for pixels in originals)
        pairs = near_duplicates(twins, every)
        right = chosen[pairs.first] == pairs.second
        strangers = [
            (int(chosen[a]), int(b))
            for a, b in zip(pairs.first, pairs.second, strict=True)
            if (int(chosen[a]), int(b)) not in known
        ]
        lowest = f"{pairs.similarity[right].min():.2f}" if right.any() else "-"
        print(
            f"{name:34} {right.sum() / len(chosen):6.1%}   {lowest:17}  {_names(strangers, paths)}"
        )


def _names(pairs: list[tuple[int, int]], paths: list[Path]) -> str:
    listed = ", ".join(f"{paths[a].stem} with {paths[b].stem}" for a, b in pairs)
    return f"{len(pairs)}  {listed}".rstrip()


def print_pairs(pairs: Pairs, kinds: np.ndarray, sizes: np.ndarray) -> None:
    """Pairs and their similarities, by kind; those below the threshold are not reported."""
    edges = np.arange(LOWEST, 1.0001, 0.05)
    names = list(dict.fromkeys(sorted(kinds.tolist())))
    print(f"\nimages in each folder: {sizes.tolist()}; threshold {MIN_SIMILARITY}")
    print("similarity    " + "".join(f"{name:>28}" for name in names))
    counts = [np.histogram(pairs.similarity[kinds == name], edges)[0] for name in names]
    for low, row in zip(edges[:-1], np.transpose(counts), strict=True):
        print(f"{low:.2f} - {low + 0.05:.2f}   " + "".join(f"{count:28}" for count in row))
    kept = pairs.similarity >= MIN_SIMILARITY
    print("reported      " + "".join(f"{(kept & (kinds == name)).sum():28}" for name in names))


def write_sheets(
    folder: Path, kind: str, pairs: Pairs, of_kind: np.ndarray, paths: list[Path]
) -> None:
    """The reported pairs of a kind, likest first, and one sheet of those below the threshold."""
    order = np.argsort(-pairs.similarity, kind="stable")
    order = order[of_kind[order]]
    kept = order[pairs.similarity[order] >= MIN_SIMILARITY]
    page = SHEET_COLUMNS * SHEET_ROWS
    name = kind.replace(" ", "-").replace(",", "")
    pages = {
        f"{name}-{number + 1}": kept[start : start + page]
        for number, start in enumerate(range(0, len(kept), page))
    }
    pages[f"{name}-below"] = order[len(kept) : len(kept) + page]
    for title, rows in pages.items():
        if len(rows):
            _sheet(pairs, rows, paths).save(folder / f"{title}.png")


def _sheet(pairs: Pairs, rows: np.ndarray, paths: list[Path]) -> Image.Image:
    lines = -(-len(rows) // SHEET_COLUMNS)
    width, height = 2 * THUMBNAIL + 6, THUMBNAIL + CAPTION
    sheet = Image.new("RGB", (SHEET_COLUMNS * width, lines * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(rows):
        x, y = place % SHEET_COLUMNS * width, place // SHEET_COLUMNS * height
        first, second = (paths[int(column[row])] for column in (pairs.first, pairs.second))
        turned = apply_symmetry(decode(second, THUMBNAIL), int(pairs.symmetry[row]))
        sheet.paste(Image.fromarray(decode(first, THUMBNAIL)), (x, y + CAPTION))
        sheet.paste(Image.fromarray(np.ascontiguousarray(turned)), (x + THUMBNAIL, y + CAPTION))
        draw.text(
            (x, y),
            f"{place + 1}: {pairs.similarity[row]:.2f} symmetry {pairs.symmetry[row]}\n"
            f"{first.stem} {second.stem}",
            fill="black",
        )
    return sheet


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _lesions(table: Path | None, paths: list[Path]) -> np.ndarray:
    """The lesion of each image, "" where it is not in the table."""
    if table is None:
        return np.full(len(paths), "")
    columns = read_columns(table, required=["image_id", "lesion_id"])
    known = dict(zip(columns["image_id"], columns["lesion_id"], strict=True))
    return np.array([known.get(path.stem, "") for path in paths])


def _kinds(pairs: Pairs, folder: np.ndarray, names: list[Path], lesion: np.ndarray) -> np.ndarray:
    kinds = []
    for a, b in zip(pairs.first, pairs.second, strict=True):
        if folder[a] != folder[b]:
            kinds.append("between folders")
            continue
        kind = names[folder[a]].name
        if lesion[a] and lesion[b]:
            kind += ", same lesion" if lesion[a] == lesion[b] else ", other lesion"
        kinds.append(kind)
    return np.array(kinds)


def _jpeg(quality: int) -> Transform:
    def transform(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return transform


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))


def _tone(pixels: np.ndarray, brightness: float, contrast: float, warmth: float) -> np.ndarray:
    values = pixels.astype(np.float32)
    values = (values - values.mean()) * contrast + values.mean() + brightness
    values *= np.array([1 + warmth, 1, 1 - warmth], np.float32)
    return values.clip(0, 255).round().astype(np.uint8)


def _any_symmetry(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(apply_symmetry(pixels, int(rng.integers(1, 8))))


def _any_tone(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _tone(pixels, rng.uniform(-20, 20), rng.uniform(0.8, 1.25), rng.uniform(-0.1, 0.1))


def _everything(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pixels = _any_tone(_any_symmetry(pixels, rng), rng)
    pixels = _resized(_resized(pixels, SIZE // int(rng.integers(2, 4))), SIZE)
    return _jpeg(int(rng.integers(30, 96)))(pixels, rng)


def _warp(*, zoom: float = 1, shift: float = 0, degrees: float = 0) -> Transform:
    """What is not a copy any more but another framing: to show where recognition ends."""

    def transform(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=None)
        margin = SIZE * (1 - 1 / zoom) / 2
        move = SIZE * shift
        box = (margin + move, margin, SIZE - margin + move, SIZE - margin)
        filled = np.pad(np.asarray(image), ((0, 0), (0, SIZE), (0, 0)), mode="reflect")
        cut = Image.fromarray(filled).resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
        return np.asarray(cut)

    return transform


TRANSFORMS: dict[str, Transform] = {
    **{f"JPEG quality {quality}": _jpeg(quality) for quality in (30, 50, 75, 95)},
    "to 1/2 and back": lambda pixels, rng: _resized(_resized(pixels, SIZE // 2), SIZE),
    "to 1/3 and back": lambda pixels, rng: _resized(_resized(pixels, SIZE // 3), SIZE),
    **{
        f"stored at {size} instead of {SIZE}": lambda pixels, rng, size=size: _resized(pixels, size)
        for size in (32, 48, 100, 224)
    },
    "any flip or quarter turn": _any_symmetry,
    "brightness -30": lambda pixels, rng: _tone(pixels, -30, 1, 0),
    "brightness +30": lambda pixels, rng: _tone(pixels, 30, 1, 0),
    "contrast x 0.7": lambda pixels, rng: _tone(pixels, 0, 0.7, 0),
    "contrast x 1.3": lambda pixels, rng: _tone(pixels, 0, 1.3, 0),
    "colour temperature -10 %": lambda pixels, rng: _tone(pixels, 0, 1, -0.1),
    "colour temperature +10 %": lambda pixels, rng: _tone(pixels, 0, 1, 0.1),
    "all of these at once": _everything,
    "not required: moved by 2 %": _warp(shift=0.02),
    "not required: moved by 5 %": _warp(shift=0.05),
    "not required: 5 % cut off": _warp(zoom=1 / 0.95),
    "not required: 10 % cut off": _warp(zoom=1 / 0.9),
    "not required: turned by 2 degrees": _warp(degrees=2),
    "not required: turned by 5 degrees": _warp(degrees=5),
}


if __name__ == "__main__":
    main()
