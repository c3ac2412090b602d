"""Laws of every backbone, the published parameter counts, scaling, freezing."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from skinlesion import models
from skinlesion.errors import ConfigError
from skinlesion.models import BACKBONES, alexnet, build_model
from skinlesion.models.scaling import SCALINGS

pytestmark = pytest.mark.tensorflow

APPLICATIONS = {
    "inceptionv3": keras.applications.InceptionV3,
    "resnet50": keras.applications.ResNet50,
    "densenet121": keras.applications.DenseNet121,
    "efficientnetb0": keras.applications.EfficientNetB0,
}

# The larger Lites are the code of lite0 with other numbers: their rebuilds may take their time.
REBUILT = [
    pytest.param(name, marks=pytest.mark.slow)
    if name in ("efficientnet_lite1", "efficientnet_lite2")
    else name
    for name in BACKBONES
]


def pixels(count, size, *, seed=0):
    values = np.random.default_rng(seed).uniform(0, 255, (count, size, size, 3))
    return values.astype("float32")


@pytest.fixture(scope="module")
def built():
    """Small models with one seed, each built once; a test that changes one builds its own."""
    made = {}

    def get(backbone):
        if backbone not in made:
            size = BACKBONES[backbone].min_size
            made[backbone] = build_model(backbone, image_size=size, seed=3)
        return made[backbone]

    return get


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


# --- every backbone -----------------------------------------------------------------------


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_gives_a_finite_float32_logit(built, backbone):
    model = built(backbone)
    images = pixels(2, BACKBONES[backbone].min_size)

    logits = model(images, training=False).numpy()

    assert logits.shape == (2, 1)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert logits[0] != logits[1]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_head_of_features_is_the_model(built, backbone):
    model = built(backbone)
    images = pixels(2, BACKBONES[backbone].min_size)

    features = models.feature_extractor(model)(images, training=False)
    logits = models.head(model)(features, training=False)

    assert features.ndim == 2
    np.testing.assert_allclose(logits, model(images, training=False), atol=1e-5)


@pytest.mark.parametrize("backbone", REBUILT)
def test_one_seed_gives_the_same_weights_whatever_ran_before(built, backbone):
    keras.utils.set_random_seed(99)
    again = build_model(backbone, image_size=BACKBONES[backbone].min_size, seed=3)

    for one, other in zip(built(backbone).weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backbone", REBUILT)
def test_saved_weights_give_the_same_logits(built, backbone, tmp_path):
    size, path = BACKBONES[backbone].min_size, tmp_path / "model.weights.h5"
    built(backbone).save_weights(path)

    loaded = build_model(backbone, image_size=size, weights=str(path), seed=4)

    images = pixels(2, size)
    np.testing.assert_array_equal(
        loaded(images, training=False), built(backbone)(images, training=False)
    )


@pytest.mark.parametrize("backbone", BACKBONES)
def test_scaling_is_made_of_exportable_layers(built, backbone):
    kinds = {type(layer).__name__ for layer in all_layers(built(backbone))}

    assert not kinds & {"Lambda", "Normalization"}
    assert "Rescaling" in kinds


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_block_can_be_asked_for(built, backbone):
    expected = {
        "alexnet": 7,
        "inceptionv3": 11,
        "resnet50": 16,
        "densenet121": 4,
        "efficientnetb0": 16,
        "efficientnet_lite0": 16,
        "efficientnet_lite1": 21,
        "efficientnet_lite2": 21,
    }[backbone]
    model = built(backbone)
    layers = model.get_layer("backbone").layers

    open_layers = []
    for count in range(1, expected + 1):
        models.set_trainable(model, f"{count} blocks", freeze_batch_norm=False)
        open_layers.append(sum(layer.trainable for layer in layers))

    assert open_layers == sorted(set(open_layers))
    assert open_layers[-1] == len(layers)
    with pytest.raises(ConfigError, match="blocks") as caught:
        models.set_trainable(model, f"{expected + 1} blocks", freeze_batch_norm=False)
    assert f"has {expected} blocks" in caught.value.expected


def test_another_seed_gives_other_weights():
    one, other = (build_model("efficientnet_lite0", image_size=32, seed=seed) for seed in (1, 2))

    assert not np.array_equal(one.get_layer("logit").kernel, other.get_layer("logit").kernel)


def test_building_leaves_the_global_generator_alone():
    before = random.getstate()

    build_model("efficientnet_lite0", image_size=32, seed=1)

    assert random.getstate() == before


def test_training_the_head_changes_the_model():
    model = build_model("efficientnet_lite0", image_size=32)
    images = pixels(2, 32)
    before = model(images, training=False).numpy()

    models.head(model).get_layer("logit").bias.assign([1.0])

    np.testing.assert_allclose(model(images, training=False), before + 1, atol=1e-5)


def test_pooling_and_dropout_are_what_was_asked_for():
    model = build_model("resnet50", image_size=64, pooling="max", dropout=0.4, seed=8)
    images = pixels(2, 64)
    maps = keras.Model(model.input, model.get_layer("pooling").input)(images, training=False)

    features = models.feature_extractor(model)(images, training=False)

    np.testing.assert_allclose(features, np.max(maps, axis=(1, 2)), atol=1e-6)
    dropout = model.get_layer("dropout")
    assert (dropout.rate, dropout.seed) == (0.4, 8)


def test_scaling_features_and_logit_stay_float32_in_mixed_precision():
    before = keras.config.dtype_policy().name

    model = build_model("efficientnet_lite0", image_size=32, precision="bfloat16")

    assert keras.config.dtype_policy().name == before
    dtypes = {name: model.get_layer(name).compute_dtype for name in ("scaling", "pooling", "logit")}

    assert set(dtypes.values()) == {"float32"}
    assert model.get_layer("backbone").get_layer("stem_conv").compute_dtype == "bfloat16"
    assert model(pixels(1, 32), training=False).dtype == tf.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet51"}, "no backbone 'resnet51'"),
        ({"backbone": "inceptionv3", "image_size": 74}, "74 is too small for inceptionv3"),
        ({"pooling": "sum"}, "pooling: 'sum'"),
        ({"batch_norm": True}, "batch_norm is an option of alexnet"),
        ({"backbone": "alexnet", "weights": "imagenet"}, "alexnet has no ImageNet weights"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model(**{"backbone": "resnet50", "image_size": 128} | options)


# --- parameter counts ---------------------------------------------------------------------


def with_classes(model, classes):
    """Parameters with a dense layer of ``classes`` outputs in place of the single logit."""
    features = model.get_layer("logit").kernel.shape[0]
    return (features + 1) * (classes - 1)


@pytest.mark.parametrize("backbone", APPLICATIONS)
def test_parameters_are_those_of_keras(built, backbone):
    size = BACKBONES[backbone].min_size
    keras_model = APPLICATIONS[backbone](
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    # Keras counts EfficientNet's built-in mean (3), variance (3) and counter (1).
    built_in_scaling = 7 if backbone == "efficientnetb0" else 0

    ours = models.count_parameters(built(backbone).get_layer("backbone"))

    assert ours == keras_model.count_params() - built_in_scaling


@pytest.mark.parametrize(
    ("backbone", "published"),
    [
        ("efficientnet_lite0", 4_652_008),
        ("efficientnet_lite1", 5_416_680),
        ("efficientnet_lite2", 6_092_072),
    ],
)
def test_parameters_of_efficientnet_lite_are_as_published(backbone, published):
    model = build_model(backbone, image_size=32)

    trainable = models.count_parameters(model, trainable_only=True)

    assert trainable + with_classes(model, 1000) == published


@pytest.mark.parametrize("image_size", [224, 227])
def test_parameters_of_alexnet_are_the_papers(image_size):
    model = build_model("alexnet", image_size=image_size)

    assert models.count_parameters(model) + with_classes(model, 1000) == 60_965_224
    assert model.get_layer("backbone").get_layer("pool5").output.shape[1:] == (6, 6, 256)


def test_alexnet_needs_its_minimum_size():
    assert alexnet.network(64).get_layer("pool5").output.shape[1:] == (1, 1, 256)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        alexnet.network(63)


def test_alexnet_with_batch_norm_has_no_response_norm_and_no_conv_bias():
    backbone = build_model("alexnet", image_size=64, batch_norm=True).get_layer("backbone")

    kinds = [type(layer).__name__ for layer in backbone.layers]

    assert kinds.count("BatchNormalization") == 5
    assert "LocalResponseNormalization" not in kinds
    assert not any(
        layer.use_bias for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)
    )


def test_response_normalisation_by_hand():
    # Channels 1..7 of one pixel: the third sees channels 1 to 5, the first 1 to 3.
    inputs = np.arange(1, 8, dtype="float32").reshape(1, 1, 1, 7) * 100

    outputs = alexnet.LocalResponseNormalization()(inputs).numpy().ravel()

    assert outputs[2] == pytest.approx(300 / (2 + 1e-4 * 1e4 * (1 + 4 + 9 + 16 + 25)) ** 0.75)
    assert outputs[0] == pytest.approx(100 / (2 + 1e-4 * 1e4 * (1 + 4 + 9)) ** 0.75)


# --- scaling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "family"),
    [
        ("inceptionv3", keras.applications.inception_v3),
        ("resnet50", keras.applications.resnet),
        ("densenet121", keras.applications.densenet),
    ],
)
def test_scaling_is_that_of_keras(backbone, family):
    images = pixels(2, 5)

    scaled = images
    for layer in SCALINGS[BACKBONES[backbone].scaling]():
        scaled = layer(scaled)

    np.testing.assert_allclose(scaled, family.preprocess_input(images.copy()), atol=1e-4)


def test_scaling_of_efficientnet_lite_by_hand():
    (layer,) = SCALINGS["lite"]()

    np.testing.assert_allclose(layer(np.float32([0, 127, 255])), [-127 / 128, 0, 1])


def test_the_model_scales_what_the_backbone_gets(built):
    model = built("resnet50")
    images = pixels(1, 32)

    alone = model.get_layer("backbone")(
        keras.applications.resnet.preprocess_input(images.copy()), training=False
    )

    features = models.feature_extractor(model)(images, training=False)
    np.testing.assert_allclose(features, np.mean(alone, axis=(1, 2)), rtol=1e-3, atol=1e-4)


# --- freezing -----------------------------------------------------------------------------


@pytest.fixture
def small():
    return build_model("efficientnet_lite0", image_size=32, dropout=0.0)


def changed_by_one_step(model):
    """The layers of the backbone, by name, that a step of training changes."""
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    layers = [layer for layer in model.get_layer("backbone").layers if layer.weights]
    before = {layer.name: layer.get_weights() for layer in layers}
    model.train_on_batch(pixels(8, 32), np.tile(np.float32([[0], [9]]), (4, 1)))
    return {
        layer.name
        for layer in layers
        if any(
            not np.array_equal(old, new)
            for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        )
    }


def weighted_names(model):
    return [layer.name for layer in model.get_layer("backbone").layers if layer.weights]


def test_head_leaves_the_backbone_alone(small):
    models.set_trainable(small, "head", freeze_batch_norm=False)

    assert models.count_parameters(small, trainable_only=True) == 1280 + 1
    assert changed_by_one_step(small) == set()


def test_all_changes_every_layer(small):
    models.set_trainable(small, "head", freeze_batch_norm=True)
    models.set_trainable(small, "all", freeze_batch_norm=False)

    assert changed_by_one_step(small) == set(weighted_names(small))


def test_frozen_batch_norm_keeps_weights_and_statistics(small):
    models.set_trainable(small, "all", freeze_batch_norm=True)

    changed = changed_by_one_step(small)

    assert changed == {name for name in weighted_names(small) if not name.endswith("_bn")}


def test_the_last_layers_are_counted_by_their_weights(small):
    models.set_trainable(small, 3, freeze_batch_norm=False)

    assert changed_by_one_step(small) == {"block15_project_bn", "head_conv", "head_bn"}


def test_the_last_block_has_the_layers_after_it(small):
    models.set_trainable(small, "1 block", freeze_batch_norm=True)

    changed = changed_by_one_step(small)

    parts = ("expand", "depthwise", "project")
    assert changed == {f"block15_{part}_conv" for part in parts} | {"head_conv"}


def test_a_block_ends_after_its_sum(small):
    models.set_trainable(small, "2 blocks", freeze_batch_norm=False)

    layers = small.get_layer("backbone").layers
    first = next(layer.name for layer in layers if layer.trainable)
    assert first == "block14_expand_conv"
    assert not small.get_layer("backbone").get_layer("block13_add").trainable


@pytest.mark.parametrize("trainable", [0, 99, "0 blocks", "most", "17 blocks"])
def test_what_cannot_be_trained_is_refused(small, trainable):
    with pytest.raises(ConfigError, match="trainable"):
        models.set_trainable(small, trainable, freeze_batch_norm=False)


# --- stochastic depth ---------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "efficientnetb0"])
def test_stochastic_depth_skips_blocks_in_training_alone(backbone):
    plain = build_model(backbone, image_size=32, stochastic_depth=0.0, dropout=0.0)
    model = build_model(backbone, image_size=32, stochastic_depth=0.8, dropout=0.0)
    model.set_weights(plain.get_weights())
    layers = model.get_layer("backbone").layers
    rates = [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)]
    images = pixels(3, 32)

    # 16 blocks, of which 9 repeat another's shape; the last of these is the 15th.
    assert len(rates) == 9
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.8 * 14 / 16)
    np.testing.assert_array_equal(model(images, training=False), plain(images, training=False))
    models.set_trainable(model, "head", freeze_batch_norm=True)
    models.set_trainable(plain, "head", freeze_batch_norm=True)
    assert not np.allclose(model(images, training=True), plain(images, training=True))


def test_stochastic_depth_needs_blocks_to_skip():
    with pytest.raises(ConfigError, match="stochastic_depth"):
        build_model("resnet50", image_size=32, stochastic_depth=0.1)
