"""Methods that explain a model: what their maps add up to, where they lie, what they depend on."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_fixtures import BACKBONE, SIZE, use_tiny_backbone

from skinlesion.data.synthetic import draw_lesion
from skinlesion.explain import (
    BASELINES,
    METHODS,
    ONE_SIDED,
    baseline_of,
    completeness_gap,
    weighted_sum,
)
from skinlesion.explain.batches import BATCH
from skinlesion.models import build_model

pytestmark = pytest.mark.tensorflow

OPTIONS = {
    "gradcam": {},
    "gradcam++": {},
    "occlusion": {"window": 0.25, "stride": 0.125, "baseline": "skin"},
    "integrated_gradients": {"steps": 64, "baseline": "skin"},
}
SIGNED = sorted(set(METHODS) - set(ONE_SIDED))


@pytest.fixture
def tiny(monkeypatch):
    use_tiny_backbone(monkeypatch)
    return build_model(BACKBONE, image_size=SIZE, weights="imagenet")


def explain(name, model, pixels, **options):
    return METHODS[name](model, pixels, **{**OPTIONS[name], **options})


@functools.cache
def lesions(count, size=SIZE):
    """Drawn lesions without dark corners or hair, as a model takes them, and their masks."""
    drawn = (
        draw_lesion(seed % 2, size=size, rng=np.random.default_rng(seed)) for seed in range(50)
    )
    clean = [*itertools.islice((one for one in drawn if not any(one.artefacts.values())), count)]
    pixels = np.stack([one.image for one in clean]).astype(np.float32)
    return pixels, np.stack([one.mask for one in clean])


def logits(model, pixels):
    return np.asarray(model(tf.constant(pixels), training=False))[:, 0]


def linear_model(weights):
    """The logit is the sum of pixels times ``weights``, shape (s, s, 3)."""
    image = keras.Input(weights.shape)
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([weights.reshape(-1, 1)])
    return model


def darkness_model(size):
    """In the parts of ours: a feature map of how dark each 4 x 4 pixels are, and its mean."""
    inner = keras.Input((size, size, 3))
    convolution = keras.layers.Conv2D(1, 4, strides=4, activation="relu")
    backbone = keras.Model(inner, convolution(inner), name="backbone")
    convolution.set_weights([np.full((4, 4, 3, 1), -1 / 48), np.array([0.55])])
    image = keras.Input((size, size, 3))
    x = backbone(keras.layers.Rescaling(1 / 255, name="scaling")(image))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    logit = keras.layers.Dense(1, name="logit")
    model = keras.Model(image, logit(x))
    logit.set_weights([np.array([[20.0]]), np.array([-2.0])])
    return model


# --- what every method promises ---------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_a_map_is_as_large_as_its_image_and_is_of_that_image_alone(tiny, name):
    pixels, _ = lesions(3)
    told = []

    maps = explain(name, tiny, pixels, advance=told.append)

    assert (maps.shape, maps.dtype) == ((3, SIZE, SIZE), np.float32)
    assert sum(told) == 3
    assert np.abs(maps).max() > 0
    np.testing.assert_allclose(explain(name, tiny, pixels[1:2])[0], maps[1], atol=1e-5)


@pytest.mark.parametrize("name", ONE_SIDED)
def test_activation_maps_are_never_negative_and_differ_for_and_against(tiny, name):
    pixels, _ = lesions(2)

    both = [explain(name, tiny, pixels, sign=sign) for sign in (1, -1)]

    assert min(maps.min() for maps in both) >= 0
    assert not np.allclose(*both)


@pytest.mark.parametrize("name", SIGNED)
def test_evidence_against_is_evidence_for_turned_round(tiny, name):
    pixels, _ = lesions(2)

    np.testing.assert_array_equal(
        explain(name, tiny, pixels, sign=-1), -explain(name, tiny, pixels, sign=1)
    )


@pytest.mark.parametrize("name", METHODS)
def test_maps_depend_on_the_weights(tiny, name):
    """The sanity check of Adebayo et al., NeurIPS 2018: an edge detector would not notice."""
    pixels, _ = lesions(4)
    before = explain(name, tiny, pixels)
    rng = np.random.default_rng(1)
    for weight in tiny.get_layer("backbone").trainable_weights:
        weight.assign(rng.permutation(np.asarray(weight).ravel()).reshape(weight.shape))

    after = explain(name, tiny, pixels)

    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(before, after, strict=True)]
    assert np.mean(alike) < 0.7


@pytest.mark.parametrize("name", METHODS)
def test_a_frozen_model_is_explained_alike(tiny, name):
    pixels, _ = lesions(1)
    before = explain(name, tiny, pixels)

    tiny.trainable = False

    np.testing.assert_array_equal(explain(name, tiny, pixels), before)


@pytest.mark.parametrize("name", METHODS)
def test_what_tells_dark_pixels_is_found_inside_dark_lesions(name):
    pixels, masks = lesions(4, size=64)

    energy = np.abs(explain(name, darkness_model(64), pixels))

    inside = (energy * masks).sum(axis=(1, 2)) / energy.sum(axis=(1, 2))
    assert (inside > 1.5 * masks.mean(axis=(1, 2))).all()


@pytest.mark.parametrize(("backbone", "size"), [("alexnet", 64), ("efficientnetb0", 32)])
def test_the_last_feature_map_of_a_real_family_is_found(backbone, size):
    model = build_model(backbone, image_size=size)
    pixels, _ = lesions(2, size=size)

    maps = np.stack([explain("gradcam", model, pixels, sign=sign) for sign in (1, -1)])

    assert maps.shape == (2, 2, size, size)
    assert np.isfinite(maps).all()
    assert maps.max() > 0


# --- class activation maps ----------------------------------------------------------------------


def feature_map(model, pixels):
    scaled = model.get_layer("scaling")(tf.constant(pixels))
    return np.asarray(model.get_layer("backbone")(scaled, training=False))


def enlarged(maps, size):
    return tf.image.resize(np.maximum(maps, 0)[..., None], (size, size)).numpy()[..., 0]


def test_grad_cam_of_average_pooling_by_hand(tiny):
    pixels, _ = lesions(2)
    features = feature_map(tiny, pixels)
    places = features.shape[1] * features.shape[2]
    weights, bias = tiny.get_layer("logit").get_weights()

    by_hand = features @ weights[:, 0] / places

    np.testing.assert_allclose(by_hand.sum(axis=(1, 2)) + bias, logits(tiny, pixels), atol=1e-4)
    np.testing.assert_allclose(explain("gradcam", tiny, pixels), enlarged(by_hand, SIZE), atol=1e-5)


def test_grad_cam_plus_plus_of_average_pooling_by_hand(tiny):
    pixels, _ = lesions(2)
    features = feature_map(tiny, pixels)
    places = features.shape[1] * features.shape[2]
    gradient = tiny.get_layer("logit").get_weights()[0][:, 0] / places

    # The same at each place: equation 19 with a common gradient, divided by its square.
    share = 1 / (2 + features.sum(axis=(1, 2)) * gradient)
    weights = places * share * np.maximum(gradient, 0)

    np.testing.assert_allclose(
        explain("gradcam++", tiny, pixels),
        enlarged((features * weights[:, None, None, :]).sum(axis=-1), SIZE),
        rtol=1e-4,
        atol=1e-5,
    )


# --- integrated gradients ------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", BASELINES)
def test_integrated_gradients_add_up_to_the_change_of_the_logit(tiny, baseline):
    pixels, _ = lesions(4)
    change = logits(tiny, pixels) - logits(tiny, baseline_of(pixels, baseline))

    maps = explain("integrated_gradients", tiny, pixels, baseline=baseline, steps=128)

    np.testing.assert_allclose(maps.sum(axis=(1, 2)), change, rtol=0.02, atol=0.002)
    gaps = completeness_gap(tiny, pixels, maps, baseline=baseline)
    np.testing.assert_allclose(gaps, maps.sum(axis=(1, 2)) - change, atol=1e-5)
    against = completeness_gap(tiny, pixels, -maps, baseline=baseline, sign=-1)
    np.testing.assert_allclose(against, -gaps, atol=1e-5)
    more = completeness_gap(tiny, pixels, maps + 0.01, baseline=baseline)
    np.testing.assert_allclose(more - gaps, 0.01 * maps[0].size, rtol=1e-3)


def test_members_of_unlike_sizes_still_add_up():
    rng = np.random.default_rng(0)
    small, large = (rng.uniform(1, 2, (2, side, side)).astype(np.float32) for side in (32, 48))

    summed = weighted_sum([small, large], [0.75, 2], adding_up=True)

    expected = 0.75 * small.sum(axis=(1, 2)) + 2 * large.sum(axis=(1, 2))
    np.testing.assert_allclose(summed.sum(axis=(1, 2)), expected, rtol=0.005)


@pytest.mark.parametrize("steps", [2, BATCH, BATCH + 1])
def test_integrated_gradients_of_a_linear_model_by_hand(steps):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 4, 3)).astype(np.float32)
    pixels = rng.uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)

    maps = explain(
        "integrated_gradients", linear_model(weights), pixels, steps=steps, baseline="black"
    )

    np.testing.assert_allclose(maps, (pixels * weights).sum(axis=-1), rtol=1e-4, atol=1e-3)


# --- occlusion -----------------------------------------------------------------------------------


def test_occlusion_of_one_pixel_that_matters_by_hand():
    weights = np.zeros((4, 4, 3), np.float32)
    weights[1, 1, 0] = 0.5
    pixels = np.full((1, 4, 4, 3), 100, np.float32)
    model = linear_model(weights)

    apart = explain("occlusion", model, pixels, window=0.5, stride=0.5, baseline="black")
    overlapping = explain("occlusion", model, pixels, window=0.5, stride=0.25, baseline="black")

    # Windows of 2 x 2 pixels: hiding the first takes 0.5 * 100 from the logit.
    assert apart[0].tolist() == [[50, 50, 0, 0], [50, 50, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # Of the 3 x 3 windows, the 2 x 2 first ones hide the pixel; in the third column, one of two do.
    assert overlapping[0].tolist() == [
        [50, 50, 25, 0],
        [50, 50, 25, 0],
        [25, 25, 12.5, 0],
        [0, 0, 0, 0],
    ]


def test_a_window_as_large_as_the_image_hides_it(tiny):
    pixels, _ = lesions(2)
    change = logits(tiny, pixels) - logits(tiny, baseline_of(pixels, "blur"))

    maps = explain("occlusion", tiny, pixels, window=1.0, stride=1.0, baseline="blur")

    np.testing.assert_allclose(maps, np.broadcast_to(change[:, None, None], maps.shape), atol=1e-4)


def test_windows_reach_the_edge_whatever_the_stride():
    weights = np.zeros((7, 7, 3), np.float32)
    weights[6, 6, 2] = 1
    pixels = np.full((1, 7, 7, 3), 10, np.float32)

    maps = explain(
        "occlusion", linear_model(weights), pixels, window=0.4, stride=0.4, baseline="black"
    )

    assert maps[0, 6, 6] > 0


# --- baselines -----------------------------------------------------------------------------------


def test_baselines_by_hand():
    image = np.full((1, 40, 40, 3), 200, np.float32)
    image[0, 10:30, 10:30] = (40, 20, 0)

    made = {name: baseline_of(image, name) for name in BASELINES}

    assert (made["skin"] == 200).all()
    assert (made["black"] == 0).all()
    np.testing.assert_allclose(made["mean"][0, 5, 5], (160, 155, 150))
    assert 40 < made["blur"][0, 20, 20, 0] < 120
    assert all(value.dtype == np.float32 and value.shape == image.shape for value in made.values())
