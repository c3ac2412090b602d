"""The page's own arithmetic under node: each module says what its Python original says."""

import csv
import io
import itertools

import numpy as np
import pytest
from javascript import Page, picture, program
from PIL import Image
from scipy import ndimage

from skinlesion.data.duplicates import apply_symmetry
from skinlesion.data.images import decode
from skinlesion.data.quality import dermoscopy
from skinlesion.data.quality.dermoscopy import appearance, unlikeness
from skinlesion.data.quality.exposure import contrast, sharpness
from skinlesion.data.quality.flags import FLAGS, quality_flags
from skinlesion.ensemble import COMBINERS
from skinlesion.metrics.abstention import REFERRED, label_sets
from skinlesion.metrics.calibration import CALIBRATORS
from skinlesion.report.answers import COLUMNS, FORMATS

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(program() is None, reason="no node on the PATH"),
]
FITS = ("squash", "letterbox", "center_crop")
ORIENTATION = 0x0112
# What the worker does with a file once the browser has decoded it.
DECODE = """
return values.files.map(({bytes, rgba, how}) => {
  const found = page.inspect(bytes);
  const factor = found.type === "image/jpeg" ? page.draftFactor(found.width, found.height, how) : 1;
  const collector = new page.Collector(found.width, found.height, factor);
  for (let top = 0; top < found.height; top += 64) {
    const rows = Math.min(64, found.height - top);
    const from = top * found.width * 4;
    collector.push(rgba.subarray(from, from + rows * found.width * 4), found.width, rows);
  }
  return page.square(collector, how, found.orientation).data;
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    made = Page(folder)
    (folder / "decoding.js").write_text('export * from "./files.js"; export * from "./pixels.js";')
    return made


def textured(height, width, *, seed=0):
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (4, 4, 0)) * 400
    return (128 + coarse + rng.normal(0, 8, coarse.shape)).clip(0, 255).astype(np.uint8)


def saved(pixels, orientation=1, **options):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, exif=exif, **options)
    return buffer.getvalue()


def squares(page, contents, hows):
    """What the page makes of files whose pixels Pillow decodes in full."""
    files = []
    for content, how in zip(contents, hows, strict=True):
        with Image.open(io.BytesIO(content)) as image:
            rgba = np.asarray(image.convert("RGBA"))
        files.append({"bytes": content, "rgba": rgba, "how": how})
    made = page.run("decoding", DECODE, files=files)
    return [
        np.array(data).reshape(how["stored_size"], -1, 3)
        for data, how in zip(made, hows, strict=True)
    ]


def decoded(content, how, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(content)
    return decode(path, how["stored_size"], fit=how["fit"]).astype(int)


# --- pixels ------------------------------------------------------------------------------------


def test_pixels_of_a_lossless_file_are_those_of_python_to_the_bit(page, tmp_path):
    cases = [
        *itertools.product(FITS, [(40, 61), (33, 97)], [1, 6]),
        *itertools.product(FITS, [(31, 20)], range(2, 9)),
        ("letterbox", (32, 32), 5),
    ]
    contents = [saved(textured(*shape, seed=turn), turn, format="PNG") for _, shape, turn in cases]
    hows = [{"stored_size": 32, "fit": fit} for fit, _, _ in cases]

    found = squares(page, contents, hows)

    for content, how, square in zip(contents, hows, found, strict=True):
        assert (square == decoded(content, how, tmp_path)).all()


def test_pixels_of_a_tall_image_differ_by_rounding(page, tmp_path):
    # From 13 on, Pillow resizes downwards first where that saves much time.
    content, how = saved(textured(97, 33), format="PNG"), {"stored_size": 32, "fit": "squash"}

    (square,) = squares(page, [content], [how])

    assert np.abs(square - decoded(content, how, tmp_path)).max() <= 1


def test_pixels_of_a_large_jpeg_are_those_of_the_shrunken_decoding_to_rounding(page, tmp_path):
    contents = [
        saved(textured(*shape), turn, format="JPEG", quality=92, subsampling=0)
        for shape, turn in [((150, 131), 1), ((290, 270), 8), ((523, 600), 3), ((523, 600), 1)]
    ]
    hows = [{"stored_size": 32, "fit": fit} for fit in ("squash", *FITS)]

    found = squares(page, contents, hows)

    for content, how, square in zip(contents, hows, found, strict=True):
        differences = np.abs(square - decoded(content, how, tmp_path))
        assert differences.max() <= 3  # at the rim, where JPEG pads its blocks
        assert differences.mean() < 0.5


@pytest.mark.tensorflow
def test_the_model_sees_what_it_would_see_in_python(page):
    import tensorflow as tf

    from skinlesion.training.views import scaled

    pixels = textured(40, 40)
    cases = [(40, 1), (28, 1), (55, 1), (28, 1.25), (28, 0.8), (50, 0.75)]

    found = page.run(
        "pixels",
        "return values.cases.map(([size, scale]) => page.scaled(values.picture, size, scale));",
        picture=picture(pixels),
        cases=cases,
    )

    for (size, scale), made in zip(cases, found, strict=True):
        expected = scaled(tf.constant(pixels[None]), size, scale).numpy()
        assert np.array(made) == pytest.approx(expected.ravel(), abs=1e-3)


def test_the_eight_symmetries_are_those_of_python(page):
    pixels = textured(9, 9)

    found = page.run(
        "pixels",
        "return [0, 1, 2, 3, 4, 5, 6, 7].map((one) => page.inSymmetry(values.picture, one).data);",
        picture=picture(pixels),
    )

    for symmetry, made in enumerate(found):
        assert made == apply_symmetry(pixels, symmetry).ravel().tolist()


# --- files -------------------------------------------------------------------------------------

INSPECT = """
return values.contents.map((bytes) => {
  try {
    const {width, height, orientation, parts} = page.inspect(bytes);
    return {width, height, orientation, plain: parts.flatMap((part) => Array.from(part))};
  } catch (error) {
    if (!(error instanceof page.Unreadable)) throw error;
    return {error: error.message};
  }
});
"""


def inspected(page, *contents):
    return page.run("files", INSPECT, contents=contents)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_what_is_decoded_has_neither_profile_nor_orientation(page, format):
    content = saved(textured(20, 30), 6, format=format, icc_profile=b"profile" * 9)

    (found,) = inspected(page, content)

    assert (found["width"], found["height"], found["orientation"]) == (30, 20, 6)
    with (
        Image.open(io.BytesIO(bytes(found["plain"]))) as plain,
        Image.open(io.BytesIO(content)) as whole,
    ):
        assert "icc_profile" in whole.info
        assert "icc_profile" not in plain.info
        assert ORIENTATION not in plain.getexif()
        assert plain.tobytes() == whole.tobytes()


def test_an_orientation_in_xmp_counts_as_in_pillow(page):
    content = saved(textured(20, 30), format="JPEG", xmp=b'<x tiff:Orientation="8"/>')
    without = io.BytesIO()
    Image.fromarray(textured(20, 30)).save(without, "JPEG", xmp=b'<x tiff:Orientation="8"/>')

    both, alone = inspected(page, content, without.getvalue())

    assert (both["orientation"], alone["orientation"]) == (1, 8)


def test_files_that_python_refuses_are_refused(page):
    whole = {format: saved(textured(40, 40), format=format) for format in ("JPEG", "PNG", "BMP")}
    cut = [whole[format][: len(whole[format]) * 2 // 3] for format in ("JPEG", "PNG")]
    wide = bytearray(whole["PNG"])
    wide[16:24] = (20_000).to_bytes(4, "big") * 2
    others = [b"", b"GIF89a", b"II*\0", saved(textured(5, 40), format="PNG"), bytes(wide)]

    found = inspected(page, *whole.values(), *cut, *others)

    assert [row.get("error") for row in found[:3]] == [None] * 3
    reasons = [row["error"] for row in found[3:]]
    wanted = ["cut short", "cut short", "empty", "JPEG, PNG or BMP", "TIFF", "40 x 5", "20000"]
    assert all(part in reason for part, reason in zip(wanted, reasons, strict=True))


# --- answers -----------------------------------------------------------------------------------

PROBABILITIES = [0.0, 1e-9, 0.003, 0.2, 0.5, 0.50001, 0.93, 1 - 1e-9, 1.0]
CALIBRATIONS = {
    "none": {},
    "temperature": {"slope": 0.7},
    "platt": {"slope": 0.58, "intercept": -0.55},
    "beta": {"a": 0.8, "b": 0.3, "c": -0.2},
    "isotonic": {"knots": [0.1, 0.2, 0.6, 0.95], "values": [0.05, 0.05, 0.3, 0.9]},
}
WEIGHTS = {"weights": [0.5, 0.2, 0.3]}
COMBINATIONS = {
    "mean": WEIGHTS,
    "weighted": WEIGHTS,
    "greedy": WEIGHTS,
    "best_subset": WEIGHTS,
    "logit_mean": WEIGHTS,
    "majority_vote": {"thresholds": [0.5, 0.2, 0.93]},
    "stacking": {"weights": [0.9, 0.0, 2.0], "intercept": -0.4, "penalty": 1.0},
}


def test_every_calibration_is_that_of_python(page):
    assert set(CALIBRATIONS) == set(CALIBRATORS)

    found = page.run(
        "answers",
        "return Object.entries(values.cases).map(([name, params]) =>"
        " values.probabilities.map((p) => page.CALIBRATORS[name](params, p)));",
        cases=CALIBRATIONS,
        probabilities=PROBABILITIES,
    )

    for (name, params), made in zip(CALIBRATIONS.items(), found, strict=True):
        expected = CALIBRATORS[name].apply(params, np.array(PROBABILITIES))
        assert made == pytest.approx(expected, rel=1e-12, abs=1e-15), name


def test_every_combiner_that_a_bundle_expresses_is_that_of_python(page):
    from skinlesion.bundle.description import COMBINED

    assert set(COMBINATIONS) == set(COMBINED)
    rows = np.random.default_rng(0).choice(PROBABILITIES, (20, 3))

    found = page.run(
        "answers",
        "return Object.entries(values.cases).map(([name, params]) =>"
        " values.rows.map((row) => page.COMBINERS[name](params, row)));",
        cases=COMBINATIONS,
        rows=rows.tolist(),
    )

    for (name, params), made in zip(COMBINATIONS.items(), found, strict=True):
        assert made == pytest.approx(COMBINERS[name].apply(params, rows), rel=1e-12), name


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.6), (0.6, 0.2), (0.5, 0.5)])
def test_what_is_referred_and_called_positive_is_as_in_python(page, low, high):
    conformal = {"benign_up_to": high, "malignant_from": low}
    model = {"classes": ["no", "yes"], "operating_points": {"here": {"threshold": 0.5}}}
    probabilities = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]

    found = page.run(
        "answers",
        "return values.probabilities.map((p) =>"
        " [page.refers(values.conformal, p), page.decide(values.model, 'here', p)]);",
        conformal=conformal,
        model=model,
        probabilities=probabilities,
    )

    sets = label_sets(conformal, np.array(probabilities))
    assert [refer for refer, _ in found] == [name in REFERRED for name in sets]
    assert [decision for _, decision in found] == ["no", "no", "no", "yes", "yes", "yes"]


@pytest.mark.parametrize("name", ["=1", "+1", "-1", "@A1", " =1", "\uff1d1"])
def test_a_spreadsheet_computes_no_name(page, name):
    model = {"operating_points": {"youden": {"threshold": 0.5}}, "identity": "0"}
    rows = [{"name": name, "error": "cut"}, {"name": f"a{name}", "error": name}]

    text = page.run(
        "csv", "return page.toCsv(values.model, 'youden', values.rows);", model=model, rows=rows
    )

    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["path"] for line in lines] == [f"'{name}", f"a{name}"]
    assert lines[1]["error"] == f"'{name}"


def test_the_table_has_the_columns_and_cells_of_predict(page):
    model = {
        "classes": ["benign", "malignant"],
        "operating_points": {"youden": {"threshold": 0.28496972}},
        "identity": "0123456789ab",
    }
    answered = {"probability": 0.87654321, "calibrated": 1.25e-5, "refer": True}
    rows = [
        {"name": 'a "b", c.jpg', "result": {**answered, "flags": ["small", "blurred"]}},
        {"name": "d.jpg", "error": "cut\nshort"},
        {"name": "e.jpg", "result": {**answered, "refer": None, "flags": []}},
    ]

    text = page.run(
        "csv", "return page.toCsv(values.model, 'youden', values.rows);", model=model, rows=rows
    )

    found = list(csv.reader(io.StringIO(text, newline="")))
    how = FORMATS["csv"]
    known = {"threshold": "youden=0.28497", "model": "0123456789ab"}
    numbers = {"probability": 0.876543, "calibrated": 1.25e-5, "decision": "malignant"}
    first = {**numbers, "path": 'a "b", c.jpg', "refer": True, "flags": ["small", "blurred"]}
    broken = dict.fromkeys(COLUMNS) | {"path": "d.jpg", "flags": [], "error": "cut\nshort"}
    last = {**numbers, "path": "e.jpg", "refer": None, "flags": []}
    written = [how.row({"error": None, **row, **known}, False) for row in (first, broken, last)]
    written[1] = how.row({**broken, **known}, False)
    expected = list(csv.reader(io.StringIO(how.begin + "".join(written), newline="")))
    for line in [*found[1:], *expected[1:]]:
        line[1:3] = [float(cell) if cell else "" for cell in line[1:3]]
    assert found == expected


# --- flags -------------------------------------------------------------------------------------


def scenes():
    """Pictures of 256 x 256: sharp, blurred, blank without any edge, and noise."""
    sharp = textured(256, 256)
    noise = np.random.default_rng(1).integers(0, 256, sharp.shape, dtype=np.uint8)
    blurred = ndimage.gaussian_filter(sharp, (4, 4, 0))
    return [sharp, blurred, np.full_like(sharp, 90), noise]


def test_flags_and_what_they_rest_on_are_those_of_python(page):
    pictures = scenes()
    sources = [{"mean": mean, "inverse": list(inverse)} for mean, inverse in dermoscopy.reference()]
    reference = {"threshold": dermoscopy.threshold(), "sources": sources}

    found = page.run(
        "quality",
        """return values.pictures.map((picture) => ({
          flags: [200, 256].map((side) => page.qualityFlags(picture, side, values.reference)),
          appearance: page.appearance(picture.data),
          numbers: [page.contrast(picture.data), page.sharpness(picture.data, 256),
                    page.unlikeness(picture.data, values.reference)],
        }));""",
        pictures=[picture(pixels) for pixels in pictures],
        reference=reference,
    )

    for pixels, made in zip(pictures, found, strict=True):
        assert made["flags"] == [list(quality_flags(pixels, side)) for side in (200, 256)]
        assert made["appearance"] == pytest.approx(appearance(pixels), abs=1e-4)
        expected = [contrast(pixels), sharpness(pixels), unlikeness(pixels)]
        found_numbers = [np.nan if number is None else number for number in made["numbers"]]
        assert found_numbers == pytest.approx(expected, rel=1e-3, nan_ok=True)
    assert {flag for made in found for flags in made["flags"] for flag in flags} == set(FLAGS)


def test_every_flag_is_explained(page):
    assert page.run("quality", "return Object.keys(page.FLAGS);") == list(FLAGS)
