"""ONNX from Keras layers: every family computes the same in onnxruntime, for any batch."""

import keras
import numpy as np
import pytest
from export_fixtures import TOLERANCE, spread

from skinlesion import models
from skinlesion.errors import ConfigError
from skinlesion.export.onnx import _add_model, onnx_bytes, write_onnx
from skinlesion.models import BACKBONES

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")

pytestmark = pytest.mark.tensorflow
# Odd, so that "same" padding has an odd pixel to put somewhere.
SIZES = {"alexnet": 67, "inceptionv3": 75}


def pixels(count, size, *, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, size, size, 3)).astype(np.float32)


def computed(content, images):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logit", "probability"], {"image": images})


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_family_gives_the_same_logits(backbone):
    size = SIZES.get(backbone, 45)
    images = pixels(16, size)
    model = spread(models.build_model(backbone, image_size=size), images)

    logit, probability = computed(onnx_bytes(model), images)

    expected = keras.ops.convert_to_numpy(model(images, training=False))
    assert np.ptp(expected) == pytest.approx(4, rel=0.01)
    assert logit == pytest.approx(expected, abs=TOLERANCE.get(backbone, 1e-3))
    assert probability == pytest.approx(
        1 / (1 + np.exp(-expected)), abs=TOLERANCE.get(backbone, 1e-3)
    )


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("alexnet", {"batch_norm": True}),
        ("efficientnet_lite0", {"pooling": "max", "stochastic_depth": 0.5}),
    ],
)
def test_options_of_a_build_are_exported(backbone, options):
    images = pixels(16, 64)
    model = spread(models.build_model(backbone, image_size=64, **options), images)

    logit, _ = computed(onnx_bytes(model), images)

    assert logit == pytest.approx(np.asarray(model(images, training=False)), abs=1e-3)


def test_a_batch_of_any_size_gives_what_its_images_give_alone(tmp_path):
    write_onnx(models.build_model("efficientnet_lite0", image_size=32), tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    images = pixels(5, 32)

    whole, _ = computed(content, images)

    alone = [computed(content, images[place : place + 1])[0][0] for place in range(5)]
    assert whole == pytest.approx(np.array(alone), abs=1e-5)


def test_a_layer_without_an_equal_is_refused_by_name():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.UpSampling2D(name="larger")(image))

    with pytest.raises(ConfigError, match="larger is a UpSampling2D"):
        _add_model(None, model, ["image"])
