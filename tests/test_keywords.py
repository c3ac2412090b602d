"""Keyword arguments make the config that YAML and --set would make."""

import json
from pathlib import Path

import numpy as np
import pytest

from skinlesion.config import (
    AdamW,
    Ema,
    EvaluateConfig,
    FinetuneConfig,
    PreprocessConfig,
    SensitivityThreshold,
    Sgd,
    TrainConfig,
    load_config,
    make_config,
    make_recipe,
)
from skinlesion.errors import ConfigError

PRESET = Path("resnet50.yaml")


@pytest.mark.parametrize(
    ("fields", "typed"),
    [
        ({}, []),
        ({"epochs": 3, "limit": None}, ["epochs=3", "limit=null"]),
        ({"model": {"dropout": 0.5}}, ["model.dropout=0.5"]),
        ({"optimizer": {"learning_rate": 1e-5}}, ["optimizer.learning_rate=0.00001"]),
        ({"optimizer": {"name": "sgd"}}, ["optimizer={name: sgd}"]),
        ({"optimizer": "sgd"}, ["optimizer=sgd"]),
        ({"averaging": {"name": "ema", "decay": 0.9}}, ["averaging={name: ema, decay: 0.9}"]),
        ({"dataset": Path("mine")}, ["dataset=mine"]),
        ({"epochs": np.int64(4)}, ["epochs=4"]),
        ({"augment": {"hue": np.float32(0.5)}}, ["augment.hue=0.5"]),
    ],
)
def test_keywords_are_what_set_is(fields, typed):
    assert make_config(PRESET, TrainConfig, fields) == load_config(PRESET, TrainConfig, typed)


@pytest.mark.parametrize("schema", [FinetuneConfig, EvaluateConfig, PreprocessConfig])
def test_nothing_is_the_defaults(schema):
    assert make_config(None, schema, {}) == schema()


def test_a_section_and_a_mapping_mean_the_same_as_their_file():
    config = load_config(PRESET, TrainConfig)

    as_mapping = json.loads(config.model_dump_json())

    assert make_config(config, TrainConfig, {}) == config
    assert make_config(as_mapping, TrainConfig, {}) == config


def test_a_section_replaces_where_a_mapping_changes():
    given = {"optimizer": {"name": "adamw", "learning_rate": 0.5, "weight_decay": 0.25}}

    changed = make_config(given, FinetuneConfig, {"optimizer": {"learning_rate": 0.1}})
    replaced = make_config(given, FinetuneConfig, {"optimizer": AdamW(name="adamw")})
    other = make_config(given, FinetuneConfig, {"optimizer": Sgd(name="sgd")})

    assert (changed.optimizer.learning_rate, changed.optimizer.weight_decay) == (0.1, 0.25)
    assert replaced.optimizer == AdamW(name="adamw")
    assert other.optimizer == Sgd(name="sgd")


def test_sections_inside_mappings_are_taken():
    made = make_config({"averaging": Ema(name="ema")}, FinetuneConfig, {"epochs": 2})

    assert made.averaging == Ema(name="ema")


def test_a_mapping_of_the_users_own_keys_is_replaced():
    given = {"classes": {"wart": "benign"}}

    made = make_config(given, PreprocessConfig, {"classes": {"mole": "benign"}})

    assert made.classes == {"mole": "benign"}


def test_kinds_told_by_a_rule_are_replaced():
    rule = {"rule": "sensitivity", "at_least": 0.9}

    made = make_config({"threshold": {"rule": "fixed"}}, EvaluateConfig, {"threshold": rule})

    assert made.threshold == SensitivityThreshold(rule="sensitivity", at_least=0.9)


def test_a_model_makes_a_recipe_trains():
    model = {"backbone": "alexnet", "weights": "none"}

    assert isinstance(make_recipe(None, {}), FinetuneConfig)
    assert isinstance(make_recipe(PRESET, {}), TrainConfig)
    assert isinstance(make_recipe(None, {"model": model, "trainable": "all"}), TrainConfig)


def test_what_does_not_fit_is_named():
    with pytest.raises(ConfigError, match="what was given is not a valid FinetuneConfig"):
        make_config(None, FinetuneConfig, {"epochs": 0})
    with pytest.raises(ConfigError, match="FinetuneConfig"):
        make_config(FinetuneConfig(), TrainConfig, {})
