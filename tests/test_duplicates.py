"""Near-duplicates: every guise of a picture is found, other pictures are not."""

import io

import numpy as np
import pytest
from PIL import Image

from skinlesion.data.duplicates import (
    SIGNATURE_SHAPE,
    Pairs,
    apply_symmetry,
    clusters,
    has_structure,
    near_duplicates,
    search,
    signature,
    signatures,
)
from skinlesion.data.duplicates.features import SHAPES, details, shapes
from skinlesion.data.synthetic import draw_lesion
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough

SIZE = 96
COUNT = 60


@pytest.fixture(scope="module")
def lesions():
    return [
        draw_lesion(index % 2, size=SIZE, rng=np.random.default_rng((5, index))).image
        for index in range(COUNT)
    ]


@pytest.fixture(scope="module")
def originals(lesions):
    return signatures(lesions)


@pytest.fixture(scope="module")
def mixed(lesions):
    """60 lesions, then 20 turned copies of them, then two copies of one of the copies."""
    rng = np.random.default_rng(0)
    copies = [apply_symmetry(lesions[row], row % 8) for row in rng.permutation(COUNT)[:20]]
    copies += [jpeg(copies[0], 60), jpeg(copies[0], 90)]
    return signatures([*lesions, *map(np.ascontiguousarray, copies)])


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(pixels, size):
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))


def toned(pixels, *, brightness=0.0, contrast=1.0, warmth=0.0):
    values = (pixels.astype(np.float64) - 128) * contrast + 128 + brightness
    return (values * [1 + warmth, 1, 1 - warmth]).clip(0, 255).round().astype(np.uint8)


def as_set(pairs):
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


ALTERATIONS = {
    "jpeg 30": lambda pixels: jpeg(pixels, 30),
    "jpeg 95": lambda pixels: jpeg(pixels, 95),
    "half and back": lambda pixels: resized(resized(pixels, SIZE // 2), SIZE),
    "third and back": lambda pixels: resized(resized(pixels, SIZE // 3), SIZE),
    "stored smaller": lambda pixels: resized(pixels, 48),
    "stored larger": lambda pixels: resized(pixels, 200),
    "brighter": lambda pixels: toned(pixels, brightness=20),
    "darker": lambda pixels: toned(pixels, brightness=-20),
    "flatter": lambda pixels: toned(pixels, contrast=0.8),
    "harder": lambda pixels: toned(pixels, contrast=1.2),
    "warmer": lambda pixels: toned(pixels, warmth=0.1),
    "colder": lambda pixels: toned(pixels, warmth=-0.1),
    "all": lambda pixels: jpeg(
        resized(
            resized(toned(pixels[::-1].swapaxes(0, 1), brightness=15, contrast=0.85), 48), SIZE
        ),
        50,
    ),
}


def test_signature_is_small_and_of_the_promised_shape(lesions):
    one = signature(lesions[0])

    assert one.shape == SIGNATURE_SHAPE
    assert one.dtype == np.uint8
    assert 600 * one.nbytes < 1_200_000


def test_signature_of_an_image_of_its_own_size_is_its_luminance():
    grey = np.random.default_rng(0).integers(0, 256, (32, 32, 1), dtype=np.uint8)

    np.testing.assert_array_equal(signature(np.repeat(grey, 3, axis=2)), grey[..., 0])


def test_signature_averages_all_pixels():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200

    assert (signature(stripes) == 100).all()


def test_an_image_below_the_signature_s_size_is_refused():
    with pytest.raises(DataError, match="31 x 31 pixels is too small"):
        signature(np.zeros((31, 31, 3), np.uint8))


def test_signatures_of_nothing_are_an_empty_table():
    assert signatures([]).shape == (0, *SIGNATURE_SHAPE)
    assert len(near_duplicates(signatures([]))) == 0


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_every_altered_copy_is_found_and_nothing_else(lesions, originals, alteration):
    copies = signatures(ALTERATIONS[alteration](pixels) for pixels in lesions)

    pairs = near_duplicates(copies, originals)

    assert as_set(pairs) == {(row, row) for row in range(COUNT)}


@pytest.mark.parametrize("symmetry", range(8))
def test_the_symmetry_that_undoes_a_flip_or_turn_is_told(lesions, originals, symmetry):
    turned = [np.ascontiguousarray(apply_symmetry(pixels, symmetry)) for pixels in lesions]

    pairs = near_duplicates(signatures(turned), originals)

    assert as_set(pairs) == {(row, row) for row in range(COUNT)}
    assert (pairs.symmetry == symmetry).all()
    assert (pairs.similarity > 0.99).all()


def test_the_symmetries_are_the_eight_of_a_square():
    square = np.arange(16).reshape(4, 4)
    results = {apply_symmetry(square, symmetry).tobytes() for symmetry in range(8)}

    turns_and_flips = [np.rot90(side, turns) for side in (square, square.T) for turns in range(4)]
    assert results == {np.ascontiguousarray(one).tobytes() for one in turns_and_flips}


def test_different_lesions_are_not_duplicates(originals):
    assert len(near_duplicates(originals)) == 0


def test_two_sets_give_the_cross_part_of_the_joint_search(mixed):
    joint = near_duplicates(mixed)
    across = (joint.first < COUNT) & (joint.second >= COUNT)

    between = near_duplicates(mixed[:COUNT], mixed[COUNT:])

    assert len(between) >= 20
    np.testing.assert_array_equal(between.first, joint.first[across])
    np.testing.assert_array_equal(between.second, joint.second[across] - COUNT)
    np.testing.assert_array_equal(between.symmetry, joint.symmetry[across])
    np.testing.assert_allclose(between.similarity, joint.similarity[across], atol=1e-5)


def test_the_order_of_the_images_does_not_matter(mixed):
    order = np.random.default_rng(1).permutation(len(mixed))

    shuffled = near_duplicates(mixed[order])

    renamed = {tuple(sorted((order[a], order[b]))) for a, b in as_set(shuffled)}
    assert renamed == as_set(near_duplicates(mixed))


@pytest.mark.parametrize("tile", [1, 7, 1000])
def test_tiles_of_any_size_give_the_same_pairs(mixed, tile):
    assert as_set(near_duplicates(mixed, tile=tile)) == as_set(near_duplicates(mixed))


@pytest.mark.parametrize("name", ["BLOCK", "SHAPE_BATCH", "DETAIL_BATCH"])
def test_batches_of_any_size_give_the_same_pairs(mixed, monkeypatch, name):
    expected = near_duplicates(mixed)

    monkeypatch.setattr(search, name, 3)

    pairs = near_duplicates(mixed)
    assert as_set(pairs) == as_set(expected)
    np.testing.assert_allclose(pairs.similarity, expected.similarity, atol=1e-5)


def test_the_index_loses_no_pair_that_qualifies(mixed):
    """Against all pairs, compared one by one as the definition says."""
    coarse, fine = shapes(mixed), details(mixed)
    expected = set()
    for a in range(len(mixed)):
        for b in range(a + 1, len(mixed)):
            near = SHAPES.products(coarse[[a]], coarse[[b]])[0] >= 1 - search.MAX_DISTANCE**2 / 2
            turned = [apply_symmetry(fine[b], symmetry) for symmetry in np.flatnonzero(near)]
            scores = [search._correlation(fine[[a]], one[None])[0] for one in turned]
            if scores and max(scores) >= search.MIN_SIMILARITY:
                expected.add((a, b))

    assert len(expected) >= 20
    assert as_set(near_duplicates(mixed)) == expected


def test_pairs_are_sorted_and_of_different_images(mixed):
    pairs = near_duplicates(mixed)

    assert (pairs.first < pairs.second).all()
    assert list(zip(pairs.first, pairs.second, strict=True)) == sorted(as_set(pairs))
    assert ((pairs.similarity >= search.MIN_SIMILARITY) & (pairs.similarity <= 1)).all()


def test_a_higher_threshold_keeps_the_likest(mixed):
    pairs = near_duplicates(mixed)
    middle = float(np.median(pairs.similarity))

    likest = near_duplicates(mixed, min_similarity=middle)

    kept = pairs.similarity >= middle
    assert 0 < len(likest) < len(pairs)
    np.testing.assert_array_equal(likest.first, pairs.first[kept])


def test_blank_images_match_nothing_not_even_each_other(originals):
    rng = np.random.default_rng(0)
    blank = np.full((4, *SIGNATURE_SHAPE), 180, np.uint8)
    blank[1] = 0
    blank[2] = np.linspace(100, 200, 32)[:, None]  # light from one side
    blank[3] = 180 + rng.integers(0, 2, SIGNATURE_SHAPE)  # rounding
    images = np.concatenate([blank, blank, originals])

    assert not has_structure(blank[[0, 1]]).any()
    assert len(near_duplicates(images)) == 4 - np.count_nonzero(~has_structure(blank))


def test_identical_images_are_duplicates(originals):
    pairs = near_duplicates(np.repeat(originals[:3], 3, axis=0))

    assert as_set(pairs) == {
        (base + a, base + b) for base in (0, 3, 6) for a, b in [(0, 1), (0, 2), (1, 2)]
    }
    np.testing.assert_allclose(pairs.similarity, 1, atol=1e-5)
    assert (pairs.symmetry == 0).all()


def test_dark_rims_do_not_make_duplicates(lesions):
    across = np.linspace(-1, 1, SIZE)
    outside = np.hypot(across, across[:, None]) > 0.9
    framed = [np.where(outside[..., None], np.uint8(3), pixels) for pixels in lesions]

    assert len(near_duplicates(signatures(framed))) == 0


def test_a_memmap_gives_the_same_pairs(mixed, tmp_path):
    np.save(tmp_path / "signatures.npy", mixed)

    stored = np.load(tmp_path / "signatures.npy", mmap_mode="r")

    assert as_set(near_duplicates(stored)) == as_set(near_duplicates(mixed))


def test_progress_reaches_the_end(mixed):
    told = []

    near_duplicates(mixed, tile=20, progress=lambda done, total: told.append((done, total)))

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] == 25


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 24, 24), np.uint8), np.zeros((3, *SIGNATURE_SHAPE))]
)
def test_other_arrays_than_signatures_are_refused(wrong):
    with pytest.raises(ValueError, match="expected uint8 signatures"):
        near_duplicates(wrong)


def test_clusters_are_what_pairs_connect():
    pairs = Pairs(*map(np.array, ([1, 4, 2], [4, 6, 5], [1.0, 0.9, 0.8], [0, 0, 0])))

    assert clusters(8, pairs).tolist() == [0, 1, 2, 3, 1, 2, 1, 7]


def test_without_pairs_each_image_is_its_own_cluster(originals):
    assert clusters(COUNT, near_duplicates(originals)).tolist() == list(range(COUNT))


def test_invariants_do_not_change_and_never_exceed_the_distance(originals):
    coarse = shapes(originals)
    invariants = SHAPES.invariants(coarse)
    apart = np.linalg.norm(coarse[:30] - coarse[30:], axis=1)

    assert (np.linalg.norm(invariants[:30] - invariants[30:], axis=1) <= apart + 1e-5).all()
    for symmetry in range(8):
        turned = np.stack([apply_symmetry(one, symmetry) for one in originals])
        np.testing.assert_allclose(SHAPES.invariants(shapes(turned)), invariants, atol=1e-4)


def test_products_are_those_of_the_turned_images(originals):
    coarse = shapes(originals)

    products = SHAPES.products(coarse[:30], coarse[30:])

    for symmetry in range(8):
        turned = np.stack([apply_symmetry(one, symmetry) for one in originals[30:]])
        expected = (coarse[:30] * shapes(turned)).sum(1)
        np.testing.assert_allclose(products[:, symmetry], expected, atol=1e-4)
