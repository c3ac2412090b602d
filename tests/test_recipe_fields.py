"""Every field of the configs that make models bites: changing it changes what a run computes."""

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
    write_lesions,
)

from skinlesion.commands import soup, tta
from skinlesion.config import (
    FinetuneConfig,
    Recipe,
    Section,
    SoupConfig,
    TrainConfig,
    TtaConfig,
    validate,
)
from skinlesion.errors import QualityGateError
from skinlesion.models import build_model

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]

FOCAL, SGD = {"loss.name": "focal"}, {"optimizer.name": "sgd"}
LION = {"optimizer.name": "lion"}
EMA = {"averaging.name": "ema"}
LAST = {"averaging.name": "last_epochs", "averaging.epochs": 1}
PLAIN = {"loss.name": "binary_crossentropy"}
WEIGHTED = {"loss.name": "weighted_crossentropy"}
# Malignant are as many as benign here, melanomas are not.
RARE = {"target": "melanoma"}
EFFECTIVE = {"loss.class_weight": "effective_number", **RARE}
ADJUSTED = {"loss.name": "logit_adjusted"}
BALANCED = {"sampling.name": "balanced"}
FOLD = {"fold.count": 3, "fold.index": 0, "fold.seed": 0}
TWO_VIEWS, LONG = {"feature_views": 2}, {"epochs": 6, "optimizer.learning_rate": 0.05}
CUTOUT = {"augment.cutout": 0.5}
OTHER_DATASET, OTHER_WEIGHTS = "<another data set>", "<weights of another run>"

# field: (what both have in common, what is changed); of the features cached for a head, two views
# of each image
FEATURE_CASES = {
    "model.backbone": ({}, {"model.backbone": WIDE_BACKBONE}),
    "model.weights": ({}, {"model.weights": OTHER_WEIGHTS}),
    "model.image_size": ({}, {"model.image_size": 48}),
    "model.pooling": ({}, {"model.pooling": "max"}),
    "precision": ({}, {"precision": "bfloat16"}),
    "augment.flip": ({}, {"augment.flip": False}),
    "augment.rotate_degrees": ({}, {"augment.rotate_degrees": 45}),
    "augment.zoom": ({}, {"augment.zoom": 0.2}),
    "augment.shift": ({}, {"augment.shift": 0.1}),
    "augment.shear": ({}, {"augment.shear": 0.2}),
    "augment.brightness": ({}, {"augment.brightness": 0.1}),
    "augment.contrast": ({}, {"augment.contrast": 0.2}),
    "augment.saturation": ({}, {"augment.saturation": 0.5}),
    "augment.hue": ({}, {"augment.hue": 0.1}),
    "augment.perspective": ({}, {"augment.perspective": 0.2}),
    "augment.hair": ({}, {"augment.hair": 0.5}),
    "augment.ruler": ({}, {"augment.ruler": 0.5}),
    "augment.cutout": ({}, CUTOUT),
    "augment.cutout_size": (CUTOUT, {"augment.cutout_size": 0.5}),
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
    "loss.weighted_crossentropy.beta": ({**WEIGHTED, **EFFECTIVE}, {"loss.beta": 0.5}),
    "loss.focal.gamma": (FOCAL, {"loss.gamma": 1.0}),
    "loss.focal.alpha": (FOCAL, {"loss.alpha": 0.75}),
    "loss.focal.class_weight": (FOCAL, {"loss.class_weight": [1.0, 3.0]}),
    "loss.focal.beta": ({**FOCAL, **EFFECTIVE}, {"loss.beta": 0.5}),
    "loss.focal.label_smoothing": (FOCAL, {"loss.label_smoothing": 0.1}),
    "loss.logit_adjusted.tau": ({**ADJUSTED, **RARE}, {"loss.tau": 2.0}),
    "loss.logit_adjusted.label_smoothing": (ADJUSTED, {"loss.label_smoothing": 0.1}),
    "optimizer.name": ({}, SGD),
    "optimizer.adamw.learning_rate": ({}, {"optimizer.learning_rate": 0.02}),
    "optimizer.adamw.weight_decay": ({}, {"optimizer.weight_decay": 0.1}),
    "optimizer.sgd.learning_rate": (SGD, {"optimizer.learning_rate": 0.02}),
    "optimizer.sgd.weight_decay": (SGD, {"optimizer.weight_decay": 0.1}),
    "optimizer.sgd.momentum": (SGD, {"optimizer.momentum": 0.5}),
    "optimizer.sgd.clip_norm": (SGD, {"optimizer.clip_norm": 0.01}),
    "optimizer.sgd.accumulate_steps": (SGD, {"optimizer.accumulate_steps": 2}),
    "optimizer.adamw.clip_norm": ({}, {"optimizer.clip_norm": 0.001}),
    "optimizer.adamw.accumulate_steps": ({}, {"optimizer.accumulate_steps": 2}),
    "optimizer.lion.learning_rate": (LION, {"optimizer.learning_rate": 0.02}),
    "optimizer.lion.weight_decay": (LION, {"optimizer.weight_decay": 0.1}),
    "optimizer.lion.clip_norm": ({**LION, "epochs": 6}, {"optimizer.clip_norm": 0.1}),
    "optimizer.lion.accumulate_steps": (LION, {"optimizer.accumulate_steps": 2}),
    "averaging.name": ({}, EMA),
    "averaging.ema.decay": (EMA, {"averaging.decay": 0.01}),
    "averaging.last_epochs.epochs": (LAST, {"averaging.epochs": 2}),
    "schedule.warmup_epochs": ({}, {"schedule.warmup_epochs": 1}),
    "schedule.decay": ({}, {"schedule.decay": "none"}),
    "sampling.name": ({}, BALANCED),
    "sampling.balanced.malignant_fraction": (BALANCED, {"sampling.malignant_fraction": 0.75}),
    "sampling.balanced.images_per_epoch": (BALANCED, {"sampling.images_per_epoch": 16}),
    "batch_size": ({}, {"batch_size": 5}),
    "epochs": ({}, {"epochs": 3}),
    "early_stop_epochs": (LONG, {"early_stop_epochs": 1}),
    "monitor": (LONG, {"monitor": "val_loss"}),
    "feature_views": ({}, TWO_VIEWS),
    "prediction_precision": ({}, {"prediction_precision": "bfloat16"}),
    "fold.count": (FOLD, {"fold.count": 4}),
    "fold.index": (FOLD, {"fold.index": 1}),
    "fold.seed": (FOLD, {"fold.seed": 1}),
    "predict": ({}, {"predict": "val"}),
}
WHOLE_CASES = {
    "trainable": ({}, {"trainable": 2}),
    "freeze_batch_norm": ({}, {"freeze_batch_norm": True}),
    "model.stochastic_depth": ({}, {"model.stochastic_depth": 0.5}),
    "optimizer.adamw.layer_decay": ({}, {"optimizer.layer_decay": 0.5}),
    "optimizer.sgd.layer_decay": (SGD, {"optimizer.layer_decay": 0.5}),
    "optimizer.lion.layer_decay": (LION, {"optimizer.layer_decay": 0.5}),
    "unfreeze.every_epochs": ({"unfreeze.every_epochs": 1}, {"unfreeze.every_epochs": 2}),
    "unfreeze.blocks": ({"unfreeze.blocks": 1}, {"unfreeze.blocks": 2}),
    "augment.mixup": ({}, {"augment.mixup": 1.0}),
    "augment.cutmix": ({}, {"augment.cutmix": 1.0}),
}
OTHER_TESTS = {
    "model.batch_norm": "test_batch_norm_of_alexnet",
    "feature_cache": "test_features.test_features_lie_where_the_config_says",
    "threads": "test_devices.test_threads_are_set_before_tensorflow_starts",
    "deterministic": "test_devices.test_determinism_can_be_left_off",
    "devices": "test_devices.test_two_devices_learn_what_one_does",
    "tracking.uri": "test_tracking.test_a_run_is_followed",
    "tracking.experiment": "test_tracking.test_a_run_is_followed",
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
FINETUNE_ELSEWHERE = {"fold": "test_folds.test_another_fold_than_the_parents_is_a_leak"}

ANOTHER_RUN = "<another run>"
TTA_CASES = {
    "run": {"run": ANOTHER_RUN},
    "dataset": {"dataset": OTHER_DATASET},
    "views": {"views": 4},
    "scales": {"scales": [1.0, 1.2]},
    "average": {"average": "probability"},
}
# Of two runs from different starts: neither is the other's neighbour, so their mean is worse.
SOUP_CASES = {
    "members": {"members": ["<a run>", ANOTHER_RUN, "<a third run>"]},
    "dataset": {"dataset": OTHER_DATASET},
    "method": {"method": "greedy"},
    "criterion": {"criterion": "log_loss"},
    "accept": {"accept": "not_worse"},
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


class Runs:
    """Runs made once for each config, and the places that stand in the cases."""

    def __init__(self, folder):
        self.folder, self.made, self.cached = folder, {}, {}
        self.numbers = itertools.count()
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
        """``cache_features``, made once for each config."""
        key = repr(sorted(changes.items()))
        if key not in self.cached:
            self.cached[key] = self.cache_features(**changes)
        return self.cached[key]

    def cache_features(self, **changes):
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

    def derived(self, command, schema, **values):
        """Predictions of a run of ``command`` and what val said, or the number that refused it."""
        places = {
            OTHER_DATASET: str(self.other),
            "<a run>": str(self.of(train_config).path),
            ANOTHER_RUN: str(self.of(train_config, freeze_batch_norm=True).path),
            "<a third run>": str(self.of(train_config, trainable=2).path),
        }
        known = {
            name: [places.get(str(one), one) for one in value]
            if isinstance(value, list)
            else places.get(str(value), value)
            for name, value in values.items()
        }
        path = self.folder / f"derived{next(self.numbers)}"
        config = validate(known, schema, where="test")
        try:
            made = command.run(config, path, reporter=QuickReporter()).run
        except QualityGateError as error:
            return error.what
        said = made.record().get("val", {})
        tables = {split: made.predictions(split).read_text() for split in made.predicted_splits()}
        return tables, said.get("criterion"), said.get("soup")

    def tta(self, **changes):
        return self.derived(tta, TtaConfig, **{"run": "<a run>", **changes})

    def soup(self, **changes):
        values = {"members": ["<a run>", ANOTHER_RUN], "method": "uniform", "accept": "always"}
        return self.derived(soup, SoupConfig, **{**values, **changes})

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

    assert own <= set(FINETUNE_CASES) | set(FINETUNE_ELSEWHERE)
    assert inherited <= set(Recipe.model_fields)  # cases of train's, above


def test_every_field_of_tta_and_soup_has_a_case():
    assert set(TTA_CASES) == set(fields_of(TtaConfig))
    assert set(SOUP_CASES) == set(fields_of(SoupConfig))


def test_fields_are_found_in_sections_and_in_choices():
    found = set(fields_of(TrainConfig))

    assert {"seed", "model.dropout", "loss.name", "loss.focal.gamma", "augment.hue"} <= found
    assert "loss" not in found
    assert "optimizer.sgd.name" not in found


@pytest.mark.parametrize("field", FEATURE_CASES)
def test_field_changes_the_features(runs, field):
    common, change = FEATURE_CASES[field]
    unchanged = runs.features(**common)

    changed = runs.features(**common, **change)

    assert not np.array_equal(changed, unchanged)
    if field.startswith("augment"):
        np.testing.assert_array_equal(changed[0], unchanged[0])  # the clean view


@pytest.mark.parametrize("field", HEAD_CASES)
def test_field_changes_a_head_run(runs, field):
    common, change = HEAD_CASES[field]

    changed = runs.outcome(head_config, **{**common, **change})

    assert changed != runs.outcome(head_config, **common)


@pytest.mark.parametrize("field", WHOLE_CASES)
def test_field_changes_a_whole_run(runs, field):
    common, change = WHOLE_CASES[field]

    changed = runs.outcome(train_config, **{**common, **change})

    assert changed != runs.outcome(train_config, **common)


@pytest.mark.parametrize("field", FINETUNE_CASES)
def test_field_changes_finetuning(runs, field):
    changed = runs.outcome(finetune_config, **FINETUNE_CASES[field])

    assert changed != runs.outcome(finetune_config)


@pytest.mark.parametrize("field", TTA_CASES)
def test_field_changes_tta(runs, field):
    assert runs.tta(**TTA_CASES[field]) != runs.tta()


@pytest.mark.parametrize("field", SOUP_CASES)
def test_field_changes_a_soup(runs, field):
    assert runs.soup(**SOUP_CASES[field]) != runs.soup()


@pytest.mark.parametrize("loss", [WEIGHTED, ADJUSTED])
def test_what_the_sampler_balances_is_not_balanced_again(runs, loss):
    balanced = {**BALANCED, **RARE}

    corrected = runs.outcome(head_config, **balanced, **loss)

    assert corrected == runs.outcome(head_config, **balanced, **PLAIN)
    assert runs.outcome(head_config, **RARE, **loss) != runs.outcome(head_config, **RARE, **PLAIN)


def test_unchanged_config_changes_nothing(runs, tmp_path):
    # Otherwise the laws above would say nothing.
    np.testing.assert_array_equal(runs.cache_features(), runs.features())
    again = run_train(head_config(runs.dataset, **TWO_VIEWS), tmp_path / "again")

    assert outcome(again) == runs.outcome(head_config, **TWO_VIEWS)
    assert (runs.tta(), runs.soup()) == (runs.tta(), runs.soup())


def test_batch_norm_of_alexnet():
    def shapes(batch_norm):
        model = build_model("alexnet", image_size=64, batch_norm=batch_norm)
        return [tuple(weight.shape) for weight in model.weights]

    assert shapes(True) != shapes(False)
