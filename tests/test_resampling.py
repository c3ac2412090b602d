"""The resize in NumPy: what TensorFlow's gives, so that exports see the same pixels."""

import numpy as np
import pytest
import tensorflow as tf

from skinlesion.inference.resampling import resampled, taps
from skinlesion.training.views import scaled

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("scale", [1.0, 1.25, 0.8, 0.5, 2.0])
@pytest.mark.parametrize(("side", "size"), [(256, 224), (224, 260), (64, 64), (100, 32), (33, 97)])
def test_pixels_are_those_of_tensorflow(side, size, scale):
    pixels = np.random.default_rng(side).integers(0, 256, (2, side, side, 3), dtype=np.uint8)

    found = resampled(pixels, size, scale)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scaled(tf.constant(pixels), size, scale), rtol=1e-6)


def test_what_an_output_takes_adds_up_to_one():
    _, weights = taps(256, 224, 224 / 256, 0.0)

    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (weights >= 0).all()
