"""Every field of TrainConfig and FinetuneConfig bites: changing it changes what a run computes."""

import itertools
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
from training_fixtures import (
    COUNTS,
    WIDE_BACKBONE,
    QuickReporter,
    finetune_config,
    head_config,
    outcome,
    run_finetune,
    run_train,
    train_config,
    use_tiny_backbone,
    write_lesions,
)

from skinlesion.config import FinetuneConfig, Recipe, Section, TrainConfig
from skinlesion.models import build_model

pytestmark = [
    pytest.mark.tensorflow,
    # Keras 3.15 makes arrays of its variables by a protocol that NumPy 2.4 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

FOCAL, SGD = {"loss.name": "focal"}, {"optimizer.name": "sgd"}
PLAIN = {"loss.name": "binary_crossentropy"}
WEIGHTED = {"loss.name": "weighted_crossentropy"}
TWO_VIEWS, LONG = {"feature_views": 2}, {"epochs": 6, "optimizer.learning_rate": 0.05}
OTHER_DATASET, OTHER_WEIGHTS = "<another data set>", "<weights of another run>"

# field: what is changed; of the features cached for a head, two views of each image
FEATURE_CASES = {
    "model.backbone": {"model.backbone": WIDE_BACKBONE},
    "model.weights": {"model.weights": OTHER_WEIGHTS},
    "model.image_size": {"model.image_size": 48},
    "model.pooling": {"model.pooling": "max"},
    "precision": {"precision": "bfloat16"},
    "augment.flip": {"augment.flip": False},
    "augment.rotate_degrees": {"augment.rotate_degrees": 45},
    "augment.zoom": {"augment.zoom": 0.2},
    "augment.shift": {"augment.shift": 0.1},
    "augment.shear": {"augment.shear": 0.2},
    "augment.brightness": {"augment.brightness": 0.1},
    "augment.contrast": {"augment.contrast": 0.2},
    "augment.saturation": {"augment.saturation": 0.5},
    "augment.hue": {"augment.hue": 0.1},
}
# field: (what both runs have in common, what is changed); of a short run of a head
HEAD_CASES = {
    "dataset": ({}, {"dataset": OTHER_DATASET}),
    "seed": ({}, {"seed": 1}),
    "target": ({}, {"target": "melanoma"}),
    "limit": ({}, {"limit": 8}),
    "model.dropout": ({}, {"model.dropout": 0.5}),
    "loss.name": ({}, FOCAL),
    "loss.binary_crossentropy.label_smoothing": (PLAIN, {"loss.label_smoothing": 0.1}),
    "loss.weighted_crossentropy.class_weight": (WEIGHTED, {"loss.class_weight": [1.0, 3.0]}),
    "loss.weighted_crossentropy.label_smoothing": (WEIGHTED, {"loss.label_smoothing": 0.1}),
    "loss.focal.gamma": (FOCAL, {"loss.gamma": 1.0}),
    "loss.focal.alpha": (FOCAL, {"loss.alpha": 0.75}),
    "loss.focal.label_smoothing": (FOCAL, {"loss.label_smoothing": 0.1}),
    "optimizer.name": ({}, SGD),
    "optimizer.adamw.learning_rate": ({}, {"optimizer.learning_rate": 0.02}),
    "optimizer.adamw.weight_decay": ({}, {"optimizer.weight_decay": 0.1}),
    "optimizer.sgd.learning_rate": (SGD, {"optimizer.learning_rate": 0.02}),
    "optimizer.sgd.weight_decay": (SGD, {"optimizer.weight_decay": 0.1}),
    "optimizer.sgd.momentum": (SGD, {"optimizer.momentum": 0.5}),
    "schedule.warmup_epochs": ({}, {"schedule.warmup_epochs": 1}),
    "schedule.decay": ({}, {"schedule.decay": "none"}),
    "batch_size": ({}, {"batch_size": 5}),
    "epochs": ({}, {"epochs": 3}),
    "early_stop_epochs": (LONG, {"early_stop_epochs": 1}),
    "monitor": (LONG, {"monitor": "val_loss"}),
    "feature_views": ({}, TWO_VIEWS),
    "prediction_precision": ({}, {"prediction_precision": "bfloat16"}),
}
WHOLE_CASES = {
    "trainable": ({}, {"trainable": 2}),
    "freeze_batch_norm": ({}, {"freeze_batch_norm": True}),
}
OTHER_TESTS = {
    "model.batch_norm": "test_batch_norm_of_alexnet",
    "feature_cache": "test_features.test_features_lie_where_the_config_says",
    "threads": "test_devices.test_threads_are_set_before_tensorflow_starts",
    "deterministic": "test_devices.test_determinism_can_be_left_off",
    "devices": "test_devices.test_two_devices_learn_what_one_does",
}

# FinetuneConfig's own fields, and those of its recipe that finetune itself looks at; that it hands
# on the rest is test_training.test_finetune_passes_its_recipe_and_seeds_dropout.
FINETUNE_CASES = {
    "run": {"run": "<another run>"},
    "dataset": {"dataset": OTHER_DATASET},
    "seed": {"seed": 1},
    "trainable": {"trainable": 2},
    "freeze_batch_norm": {"freeze_batch_norm": False},
    "optimizer": {"optimizer": {"name": "adamw", "learning_rate": 1e-3}},
    "limit": {"limit": 8},
    "augment": {"augment": {"flip": True, "hue": 0.3}},
    "epochs": {"epochs": 2},
}


def fields_of(schema, prefix=""):
    """Dotted names of every field of ``schema`` and the sections below it.

    A choice of sections counts as ``loss.name`` and ``loss.focal.gamma``.
    """
    for name, field in schema.model_fields.items():
        options = (field.annotation, *get_args(field.annotation))
        sections = [one for one in options if isinstance(one, type) and issubclass(one, Section)]
        if len(sections) > 1:
            yield f"{prefix}{name}.name"
        for section in sections:
            inner = f"{prefix}{name}."
            if len(sections) > 1:
                kind = section.model_fields["name"].annotation
                assert get_origin(kind) is Literal
                inner += f"{get_args(kind)[0]}."
            yield from (one for one in fields_of(section, inner) if not one.endswith(".name"))
        if not sections:
            yield prefix + name


@pytest.fixture(scope="module", autouse=True)
def tiny():
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_tiny_backbone(monkeypatch)
        yield


class Runs:
    """Runs made once for each config, and the places that stand in the cases."""

    def __init__(self, folder):
        self.folder, self.made, self.numbers = folder, {}, itertools.count()
        self.dataset = write_lesions(folder / "dataset")
        self.other = write_lesions(folder / "other", seed=1)

    def of(self, make, **changes):
        """The run folder of ``make(dataset or parent, **changes)``."""
        key = repr((make.__name__, sorted(changes.items(), key=str)))
        if key not in self.made:
            places = {OTHER_DATASET: str(self.other)}
            if "run" in changes:
                changes = {"run": str(self.of(train_config, freeze_batch_norm=True).path)}
            known = {name: places.get(str(value), value) for name, value in changes.items()}
            path = self.folder / f"run{next(self.numbers)}"
            if make is finetune_config:
                self.made[key] = run_finetune(make(self.of(train_config).path, **known), path)
            else:
                data = known.pop("dataset", self.dataset)
                self.made[key] = run_train(make(data, **known), path)
        return self.made[key]

    def features(self, **changes):
        """What a head run caches, broken off where its training would begin."""
        if OTHER_WEIGHTS in map(str, changes.values()):
            changes = {"model.weights": str(self.of(train_config).weights)}
        path = self.folder / f"features{len(list(self.folder.iterdir()))}"
        cache = {"feature_cache": str(path / "cache")}
        config = head_config(self.dataset, **TWO_VIEWS, **cache, **changes)
        after = 2 * COUNTS["train"] + 1
        with pytest.raises(KeyboardInterrupt):
            run_train(
                config, path / "run", reporter=QuickReporter(interrupt="features", after=after)
            )
        files = [path.glob(f"cache/*-train-view{view}-*.npy") for view in range(2)]
        return np.stack([np.load(file) for [file] in files])

    def outcome(self, make, **changes):
        return outcome(self.of(make, **changes))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


def test_every_field_of_train_has_a_case():
    cases = {**FEATURE_CASES, **HEAD_CASES, **WHOLE_CASES, **OTHER_TESTS}

    assert set(cases) == set(fields_of(TrainConfig))


def test_every_field_of_finetune_has_a_case():
    own = set(FinetuneConfig.__annotations__)
    inherited = set(FinetuneConfig.model_fields) - own

    assert own <= set(FINETUNE_CASES)
    assert inherited <= set(Recipe.model_fields)  # cases of train's, above


def test_fields_are_found_in_sections_and_in_choices():
    found = set(fields_of(TrainConfig))

    assert {"seed", "model.dropout", "loss.name", "loss.focal.gamma", "augment.hue"} <= found
    assert "loss" not in found
    assert "optimizer.sgd.name" not in found


@pytest.fixture(scope="module")
def unchanged_features(runs):
    return runs.features()


@pytest.mark.parametrize("field", FEATURE_CASES)
def test_field_changes_the_features(runs, unchanged_features, field):
    changed = runs.features(**FEATURE_CASES[field])

    assert not np.array_equal(changed, unchanged_features)
    if field.startswith("augment"):
        np.testing.assert_array_equal(changed[0], unchanged_features[0])  # the clean view


@pytest.mark.parametrize("field", HEAD_CASES)
def test_field_changes_a_head_run(runs, field):
    common, change = HEAD_CASES[field]

    assert runs.outcome(head_config, **common, **change) != runs.outcome(head_config, **common)


@pytest.mark.parametrize("field", WHOLE_CASES)
def test_field_changes_a_whole_run(runs, field):
    common, change = WHOLE_CASES[field]

    assert runs.outcome(train_config, **common, **change) != runs.outcome(train_config, **common)


@pytest.mark.parametrize("field", FINETUNE_CASES)
def test_field_changes_finetuning(runs, field):
    changed = runs.outcome(finetune_config, **FINETUNE_CASES[field])

    assert changed != runs.outcome(finetune_config)


def test_unchanged_config_changes_nothing(runs, unchanged_features, tmp_path):
    # Otherwise the laws above would say nothing.
    np.testing.assert_array_equal(runs.features(), unchanged_features)
    again = run_train(head_config(runs.dataset, **TWO_VIEWS), tmp_path / "again")

    assert outcome(again) == runs.outcome(head_config, **TWO_VIEWS)


def test_batch_norm_of_alexnet():
    def shapes(batch_norm):
        model = build_model("alexnet", image_size=64, batch_norm=batch_norm)
        return [tuple(weight.shape) for weight in model.weights]

    assert shapes(True) != shapes(False)
