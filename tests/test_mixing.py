"""Laws of mixup and cutmix: what an image takes of another, and what its label becomes."""

import numpy as np
import pytest

from skinlesion.config import FinetuneConfig, TrainConfig, validate
from skinlesion.data.augment import MIXING_COLUMNS, Ranges, mix, mixing_draws
from skinlesion.data.augment.mixing import OPACITY, WIDTH, X, Y
from skinlesion.errors import ConfigError

pytestmark = pytest.mark.tensorflow

SIZE = 20
BOTH = Ranges(mixup=1.0, cutmix=1.0)


def plain(values):
    """Images of one value each."""
    column = np.array(values, "float32")[:, None, None, None]
    return np.tile(column, (1, SIZE, SIZE, 3))


def mixed(draws, values=(0.0, 100.0, 200.0), labels=(0.0, 1.0, 0.0)):
    images, soft = mix(plain(values), np.array(labels, "float32")[:, None], draws)
    return images.numpy(), soft.numpy()[:, 0]


def draws(*rows):
    return np.array(rows, "float32")


def test_draws_are_a_function_of_seed_epoch_and_row():
    once = mixing_draws(30, BOTH, seed=3, epoch=2)

    assert (once.shape, once.dtype) == ((30, MIXING_COLUMNS), np.float32)
    np.testing.assert_array_equal(mixing_draws(30, BOTH, seed=3, epoch=2), once)
    for other in ({"seed": 4, "epoch": 2}, {"seed": 3, "epoch": 3}):
        assert (mixing_draws(30, BOTH, **other)[:, X] != once[:, X]).all()


def test_mixup_by_hand():
    # Each image takes 1/4 of the one before it in the batch; the first of the last.
    images, labels = mixed(draws([0.25, 3, 0, 0], [0.25, 3, 0.5, 0.9], [0.25, 3, 0, 0]))

    np.testing.assert_allclose(images, plain([50.0, 75.0, 175.0]), atol=1e-3)
    np.testing.assert_allclose(labels, [0.0, 0.75, 0.25], atol=1e-6)


def test_cutmix_by_hand():
    # A square of half the side in the middle, one clipped to a quarter of it, and one of nothing.
    images, labels = mixed(draws([1, 0.5, 0.5, 0.5], [1, 0.5, 0, 0], [1, 0, 0.5, 0.5]))

    first, second, third = images[..., 0]
    assert (first == 200).sum() == (SIZE // 2) ** 2
    assert (first[5:15, 5:15] == 200).all()
    assert (second[:5, :5] == 0).all()
    assert (second == 100).sum() == SIZE**2 - 25
    assert (third == 200).all()
    np.testing.assert_allclose(labels, [0.0, 1 - 25 / SIZE**2, 0.0], atol=1e-6)


@pytest.mark.parametrize("ranges", [Ranges(mixup=0.4), Ranges(cutmix=1.0), BOTH])
def test_a_label_has_the_share_of_its_image(ranges):
    # White malignant images and black benign ones: the mean grey is the label.
    labels = np.arange(64) % 2 * 1.0

    images, soft = mixed(mixing_draws(64, ranges, seed=0, epoch=0), 255 * labels, labels)

    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)) / 255, soft, atol=1e-4)
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert ((soft > 0.01) & (soft < 0.99)).mean() > 0.5


def test_an_image_alone_stays_as_it_is():
    images, labels = mixed(mixing_draws(1, BOTH, seed=0, epoch=0), [70.0], [1.0])

    np.testing.assert_allclose(images, plain([70.0]), atol=1e-4)
    assert labels == pytest.approx([1.0])


def test_shares_are_beta_distributed():
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
    for alpha in (0.3, 1.0, 4.0):
        table = mixing_draws(20_000, Ranges(mixup=alpha), seed=0, epoch=0)
        assert table[:, OPACITY].mean() == pytest.approx(0.5, abs=0.01)
        assert table[:, OPACITY].var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)
        area = mixing_draws(20_000, Ranges(cutmix=alpha), seed=0, epoch=0)[:, WIDTH] ** 2
        assert area.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_with_both_each_image_takes_one_of_them():
    table = mixing_draws(2000, BOTH, seed=0, epoch=0)

    cuts = table[:, WIDTH] <= 1

    assert cuts.mean() == pytest.approx(0.5, abs=0.05)
    assert (table[cuts, OPACITY] == 1).all()
    assert (table[~cuts, WIDTH] > 2).all()
    assert len(np.unique(table[~cuts, OPACITY])) > 900
    assert np.ptp(table[:, [X, Y]], axis=0).min() > 0.99


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_head_cannot_be_trained_on_mixed_images(name):
    augment = {name: 1.0}
    train = {"model": {"backbone": "resnet50"}, "augment": augment}

    for schema, values in ((TrainConfig, train), (FinetuneConfig, {"augment": augment})):
        validate({**values, "trainable": "all"}, schema, where="here")
        with pytest.raises(ConfigError, match="single images"):
            validate({**values, "trainable": "head"}, schema, where="here")
