"""Frozen normalisation inside the convolution before it: the same function, the same gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_fixtures import BACKBONE, SIZE, train_config, use_tiny_backbone

from skinlesion import models
from skinlesion.losses import make_loss
from skinlesion.models import BACKBONES, build_model, with_folded_norms
from skinlesion.models.building import POLICIES
from skinlesion.training.compiling import compile_model
from skinlesion.training.fit import every_layer
from skinlesion.training.precision import twin

pytestmark = pytest.mark.tensorflow

# How many normalisations follow a convolution. Half of DenseNet's come before one, and three of
# AlexNet's follow the two joined halves of one.
FOLDED = {
    "alexnet": 2,
    "inceptionv3": 94,
    "resnet50": 53,
    "densenet121": 59,
    "efficientnetb0": 49,
    "efficientnet_lite0": 49,
    "efficientnet_lite1": 64,
    "efficientnet_lite2": 64,
}
QUICK = ("alexnet", "resnet50", "efficientnet_lite0")
FAMILIES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in BACKBONES
]
EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
PARTS = ["all", "1 block", 3]


@pytest.fixture
def tiny(monkeypatch):
    use_tiny_backbone(monkeypatch, dropout=0.0)


def with_statistics(model, *, seed=0):
    """``model`` with the normalisation of a trained one, and without what is drawn at random."""
    rng = np.random.default_rng(seed)
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.2, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
            layer.beta.assign(rng.normal(0, 0.2, shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
    return model


def tiny_model(trainable="all", *, freeze=True, **options):
    model = with_statistics(build_model(BACKBONE, image_size=SIZE, dropout=0.0, **options))
    models.set_trainable(model, trainable, freeze_batch_norm=freeze)
    return model


def batch(size=SIZE, count=4):
    pixels = np.random.default_rng(1).uniform(0, 255, (count, size, size, 3))
    return pixels.astype("float32"), (np.arange(count) % 2)[:, None].astype("float32")


def logits_and_gradients(model, pixels, labels):
    """In training mode; the gradients of what is trained by path."""
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        logits = model(pixels, training=True)
        loss = make_loss("binary_crossentropy")(labels, logits)
    found = tape.gradient(loss, [weight.value for weight in weights])
    return logits.numpy(), {w.path: g.numpy() for w, g in zip(weights, found, strict=True)}


def distance(first, second):
    """Of two sets of gradients, as a part of the first's length."""
    assert first.keys() == second.keys()
    apart = sum(((first[path] - second[path]) ** 2).sum() for path in first)
    return (apart / sum((one**2).sum() for one in first.values())) ** 0.5


def folded_count(model):
    return sum(type(layer).__name__ == "_NormalisedConvolution" for layer in every_layer(model))


@pytest.mark.parametrize("backbone", FAMILIES)
def test_every_family_computes_what_it_did(backbone):
    size = BACKBONES[backbone].min_size
    options = {"batch_norm": True} if backbone == "alexnet" else {}
    model = with_statistics(build_model(backbone, image_size=size, seed=3, **options))
    models.set_trainable(model, "all", freeze_batch_norm=True)
    pixels, _ = batch(size, 2)

    folded = with_folded_norms(model)

    assert folded_count(folded) == FOLDED[backbone]
    expected = model(pixels, training=True).numpy()
    assert expected[0] != expected[1]
    np.testing.assert_allclose(folded(pixels, training=True), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_trained_has_the_gradients_it_had(tiny, part, freeze):
    model = tiny_model(part, freeze=freeze)
    expected, gradients = logits_and_gradients(model, *batch())

    logits, found = logits_and_gradients(with_folded_norms(model), *batch())

    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    assert distance(gradients, found) < 1e-5


def test_the_bias_of_a_convolution_and_depthwise_kernels_are_folded_too():
    # The tiny network has neither; ResNet has the one, EfficientNet the other.
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", bias_initializer="ones")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)(x)
    x = keras.layers.BatchNormalization(scale=False)(x)
    backbone = keras.Model(image, x, name="backbone")
    outer = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(outer))
    model = with_statistics(keras.Model(outer, keras.layers.Dense(1, name="logit")(pooled)))
    for layer in backbone.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    expected, gradients = logits_and_gradients(model, *batch(8))

    folded = with_folded_norms(model)
    logits, found = logits_and_gradients(folded, *batch(8))

    assert folded_count(folded) == 2
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert distance(gradients, found) < 1e-5


def test_a_trained_norm_is_left_alone_and_keeps_learning(tiny):
    model = tiny_model("1 block", freeze=False)
    norm = model.get_layer("backbone").get_layer("block2a_project_bn")
    frozen = model.get_layer("backbone").get_layer("stem_bn")
    before = [[one.numpy() for one in layer.weights] for layer in (norm, frozen)]

    stepped = with_folded_norms(model)
    stepped.compile(optimizer="sgd", loss=make_loss("binary_crossentropy"), jit_compile=False)
    stepped.train_on_batch(*batch())

    assert folded_count(stepped) == 2
    for one, old in zip(norm.weights, before[0], strict=True):
        assert (one.numpy() != old).any()
    for one, old in zip(frozen.weights, before[1], strict=True):
        np.testing.assert_array_equal(one.numpy(), old)


def test_with_nothing_to_fold_the_model_itself_comes_back(tiny):
    model = tiny_model("all", freeze=False)
    head = models.head(tiny_model("all", freeze=True))

    assert with_folded_norms(model) is model
    assert with_folded_norms(head) is head


def test_with_nothing_to_fold_no_layer_is_called_again(tiny, monkeypatch):
    model = tiny_model("all", freeze=False)
    monkeypatch.setattr(keras.layers.Layer, "__call__", None)

    assert with_folded_norms(model) is model


def test_a_convolution_that_is_not_linear_is_not_scaled():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.BatchNormalization(trainable=False)(x)
    backbone = keras.Model(image, x, name="backbone")
    outer = keras.Input((8, 8, 3))
    model = keras.Model(outer, backbone(outer))

    assert with_folded_norms(model) is model


def test_alexnet_without_normalisation_comes_back():
    model = build_model("alexnet", image_size=64)
    models.set_trainable(model, "all", freeze_batch_norm=True)

    assert with_folded_norms(model) is model


def test_both_have_the_same_weights(tiny):
    model = tiny_model()
    folded = with_folded_norms(model)

    assert {id(one) for one in folded.weights} == {id(one) for one in model.weights}
    ids = [id(one) for one in model.trainable_variables]
    assert sorted(map(id, folded.trainable_variables)) == sorted(ids)
    model.get_layer("backbone").get_layer("stem_conv").kernel.assign(
        np.full((3, 3, 3, 4), 0.1, np.float32)
    )
    pixels, _ = batch()
    np.testing.assert_allclose(folded(pixels), model(pixels), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_kept_and_as_exact_as_it_can_be(tiny, precision):
    model = tiny_model(precision=precision)
    folded = with_folded_norms(model)

    assert folded.dtype_policy.name == POLICIES[precision]
    maps = folded.get_layer("backbone").output
    assert maps.dtype == model.get_layer("backbone").output.dtype == precision
    _, exact = logits_and_gradients(tiny_model(), *batch())
    _, found = logits_and_gradients(folded, *batch())
    assert 0 < distance(exact, found) < 20 * EPSILON[precision]


STEPS = {
    "sgd": {"optimizer": {"name": "sgd", "learning_rate": 0.05}},
    "clipped": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "clip_norm": 0.1}},
    "gathered": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "accumulate_steps": 2}},
    "layer-decay": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "layer_decay": 0.5}},
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_compiled_steps_move_the_weights_as_those_of_the_model_would(tiny, kind, precision):
    recipe = train_config("nowhere", **STEPS[kind], **{"schedule.decay": "none"})
    ended = []
    for fold in (True, False):
        model = tiny_model(precision=precision)
        before = [one.numpy() for one in model.trainable_variables]
        depths = models.depths(model)
        loss = make_loss("binary_crossentropy")
        stepped = compile_model(model, loss, recipe, steps=4, depths=depths)
        assert stepped.optimizer is model.optimizer
        trained = stepped if fold else model
        for _ in range(4):
            trained.train_on_batch(*batch())
        moved = zip(model.trainable_variables, before, strict=True)
        ended.append({one.path: one.numpy() - old for one, old in moved})

    assert distance(*ended) < (1e-4 if precision == "float32" else 0.02)


def test_a_twin_is_folded_as_its_model(tiny):
    model = tiny_model("1 block")
    config = train_config("nowhere").model
    copy = twin(model, config, seed=0, precision="bfloat16", copy=True)

    assert folded_count(with_folded_norms(copy)) == folded_count(with_folded_norms(model)) == 3
