"""Blocks, and how they are opened one after the other."""

import numpy as np
import pytest
from training_fixtures import (
    finetune_config,
    run_finetune,
    run_train,
    stored_weights,
    train_config,
    write_lesions,
)

from skinlesion import models
from skinlesion.config import Unfreeze
from skinlesion.errors import ConfigError
from skinlesion.training import fit
from skinlesion.training.unfreezing import make_stages, stage_of

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent")
    return run_train(train_config(write_lesions(folder / "dataset"), epochs=1), folder / "run")


@pytest.fixture
def model():
    return models.build_model("efficientnet_lite0", image_size=32)


def opened(model):
    """Names of the layers with weights that are trained."""
    layers = model.get_layer("backbone").layers
    return [layer.name for layer in layers if layer.trainable and layer.weights]


def test_every_layer_is_in_one_block(model):
    found = models.blocks(model)

    # The tiny network: a stem, which belongs to the first block, and two blocks.
    assert list(found) == ["block1a", "block2a"]
    assert [*found["block1a"], *found["block2a"]] == model.get_layer("backbone").layers
    assert found["block2a"][0].name == "block1a_relu"


def test_depth_counts_blocks_from_the_head(model):
    depths = models.depths(model)

    by_layer = {path.split("/")[-2]: depth for path, depth in depths.items()}
    assert by_layer == {
        "stem_conv": 2,
        "stem_bn": 2,
        "block1a_conv": 2,
        "block1a_project_bn": 2,
        "block2a_conv": 1,
        "block2a_project_bn": 1,
        "logit": 0,
    }


def test_a_block_and_what_follows_it(model):
    models.set_trainable(model, "from block2a", freeze_batch_norm=True)
    assert opened(model) == ["block2a_conv"]

    models.set_trainable(model, "from block1a", freeze_batch_norm=True)
    assert opened(model) == ["stem_conv", "block1a_conv", "block2a_conv"]


def test_unknown_block_names_those_there_are(model):
    with pytest.raises(ConfigError, match="no block 'block9'") as error:
        models.set_trainable(model, "from block9", freeze_batch_norm=True)

    assert "block1a, block2a" in error.value.expected


@pytest.mark.parametrize(
    ("every", "blocks", "trainable", "expected"),
    [
        (1, 1, "all", [0, 1, 3, 3]),
        (2, 1, "all", [0, 0, 1, 1]),
        (1, 2, "all", [0, 3, 3, 3]),
        (1, 5, "all", [0, 3, 3, 3]),
        (1, 1, "1 blocks", [0, 1, 1, 1]),
        (1, 1, "from block1a", [0, 1, 3, 3]),
    ],
)
def test_blocks_open_as_the_epochs_pass(model, every, blocks, trainable, expected):
    unfreeze = Unfreeze(every_epochs=every, blocks=blocks)
    stages = make_stages(model, trainable, unfreeze, freeze_batch_norm=True)

    counts = []
    for epoch in range(4):
        stage_of(stages, epoch).open()
        counts.append(len(opened(model)))

    assert counts == expected


def test_closed_blocks_stay_bit_identical(parent, tmp_path):
    config = finetune_config(parent.path, epochs=1, unfreeze={"every_epochs": 1})

    after, before = stored_weights(run_finetune(config, tmp_path / "run")), stored_weights(parent)

    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {"layers/dense/vars/0", "layers/dense/vars/1"}


def test_moments_go_on_where_they_were(parent, tmp_path, monkeypatch):
    seen = []

    def remember(old, new):
        carry(old, new)
        values = {variable.name: variable.numpy() for variable in new.variables}
        same = [np.array_equal(values[one.name], one.numpy()) for one in old.variables]
        seen.append((all(same), len(new.variables) - len(old.variables)))

    carry = fit.carry_over
    monkeypatch.setattr(fit, "carry_over", remember)
    config = finetune_config(parent.path, epochs=2, unfreeze={"blocks": 1})

    run_finetune(config, tmp_path / "run")

    # The kernel of block2a comes in, with its two moments.
    assert seen == [(True, 2)]


@pytest.mark.parametrize("trainable", ["head", 3])
def test_unfreezing_goes_by_blocks(parent, trainable):
    with pytest.raises(ConfigError, match="unfreeze goes by blocks"):
        finetune_config(parent.path, trainable=trainable, unfreeze={})
