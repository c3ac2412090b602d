"""Laws of fitting: best weights, early stopping, broken losses, heads, fine-tuning, seeds."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_fixtures import (
    COUNTS,
    SIZE,
    QuickReporter,
    finetune_config,
    head_config,
    history_of,
    outcome,
    run_finetune,
    run_train,
    stored_weights,
    train_config,
    uses,
    write_lesions,
)

from skinlesion.config import Recipe
from skinlesion.data.pipeline import FeatureBatches
from skinlesion.data.sampling import Images
from skinlesion.data.store import PixelStore, open_dataset
from skinlesion.errors import ConfigError, DataError, IntegrityError
from skinlesion.losses import make_loss
from skinlesion.models import build_model
from skinlesion.odds import sigmoid
from skinlesion.runs import RunDir
from skinlesion.tables import Predictions
from skinlesion.training import session
from skinlesion.training.checkpoint import Checkpoints
from skinlesion.training.fit import best_epoch, fit, validation_scores
from skinlesion.training.predict import fixed_forward, forward, predict_logits

pytestmark = pytest.mark.tensorflow

MONITORS = ("val_auc", "val_average_precision", "val_balanced_accuracy", "val_loss")
TRUTH = np.array([0, 0, 1, 1])
GOOD, BAD = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([2.0, 1.0, -1.0, -2.0])
CROSSENTROPY = make_loss("binary_crossentropy")


# --- fit -----------------------------------------------------------------------------------


class Fitted:
    """A logistic regression on two features, with validation logits written beforehand."""

    def __init__(self, folder, script, *, features=None, on_epoch=None, **recipe):
        rng = np.random.default_rng(0)
        features = rng.normal(size=(1, 6, 2)) if features is None else features
        self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        self.checkpoints = Checkpoints(folder / "state")
        self.batches = FeatureBatches(features.astype("float32"), np.arange(6) % 2, 4, 0)
        self.script, self.weights, self.lengths = script, [], []
        self.recipe = Recipe.model_validate({"epochs": len(script), "batch_size": 4, **recipe})
        self.reporter = QuickReporter()

    def run(self):
        return fit(
            self.model,
            self.batches,
            lambda: (TRUTH, np.asarray(self.script[len(self.weights)], "float32")),
            loss=CROSSENTROPY,
            recipe=self.recipe,
            checkpoints=self.checkpoints,
            reporter=self.reporter,
            on_epoch=self.remember,
        )

    def remember(self, history):
        self.weights.append(self.kernel)
        self.lengths.append(len(history))

    @property
    def kernel(self):
        return self.model.layers[0].kernel.numpy().ravel().tolist()


@pytest.mark.parametrize("monitor", MONITORS)
def test_ends_with_the_weights_of_the_first_best_epoch(tmp_path, monitor):
    fitted = Fitted(tmp_path, [BAD, GOOD, BAD, GOOD], monitor=monitor)

    history = fitted.run()

    assert best_epoch(history, monitor) == 1
    assert fitted.kernel == fitted.weights[1]
    assert fitted.kernel != fitted.weights[3]


@pytest.mark.parametrize(("monitor", "best"), [("val_auc", 0), ("val_loss", 1)])
def test_monitor_chooses(tmp_path, monitor, best):
    # The first ranks perfectly but says malignant of all; the second is unsure and ranks worse.
    script = [np.array([5.0, 6.0, 7.0, 8.0]), np.array([0.0, 0.1, 0.05, 0.2])]
    fitted = Fitted(tmp_path, script, monitor=monitor)

    fitted.run()

    assert fitted.kernel == fitted.weights[best]


def test_history_has_these_columns_and_a_row_an_epoch(tmp_path):
    history = Fitted(tmp_path, [BAD, GOOD, GOOD]).run()

    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        assert list(row) == ["epoch", "learning_rate", "loss", "val_loss", *MONITORS[:3]]
        assert all(np.isfinite(value) for value in row.values())


def test_validation_scores_by_hand():
    logits = np.array([0.0, -10.0, 0.0, 10.0])

    scores = validation_scores(TRUTH, logits, CROSSENTROPY)

    # Of 4 pairs 3 are in order and one is a tie; two losses are log 2, two are next to nothing.
    assert scores["val_auc"] == 3.5 / 4
    assert scores["val_loss"] == pytest.approx(np.log(2) / 2, abs=1e-4)
    assert scores["val_balanced_accuracy"] == 0.75  # 0.5 counts as malignant
    assert scores["val_average_precision"] == pytest.approx((1 + 2 / 3) / 2)


def test_each_epoch_sees_the_next_view_and_every_row(tmp_path):
    # A model without bias on features that are all one number: the loss tells which.
    views = np.stack([np.full((6, 2), value) for value in (0.0, 100.0)])
    fitted = Fitted(tmp_path, [GOOD] * 3, features=views)

    losses = [row["loss"] for row in fitted.run()]

    assert losses[0] == pytest.approx(losses[2], abs=0.05)
    assert abs(losses[0] - losses[1]) > 1
    assert fitted.reporter.counted == {f"epoch {e}/3": 6 for e in (1, 2, 3)}


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 3), (3, 4), (4, 5), (None, 5)])
def test_early_stop_counts_epochs_without_a_better_one(tmp_path, patience, epochs):
    fitted = Fitted(tmp_path, [GOOD, BAD, BAD, GOOD, BAD], early_stop_epochs=patience)

    history = fitted.run()

    assert len(history) == epochs
    assert fitted.kernel == fitted.weights[0]
    assert any("stopped" in text for text in fitted.reporter.said) == (patience is not None)


def test_stopped_fit_stays_stopped(tmp_path):
    fitted = Fitted(tmp_path, [GOOD, BAD, BAD, GOOD], early_stop_epochs=2)
    history = fitted.run()
    again = Fitted(tmp_path, [], epochs=4, early_stop_epochs=2)

    resumed = again.run()

    assert resumed == history
    assert again.kernel == fitted.kernel
    assert again.reporter.counted == {}


def test_loss_that_is_no_number_keeps_the_last_good_epoch(tmp_path):
    views = np.random.default_rng(0).normal(size=(2, 6, 2))
    views[1, 3, 0] = np.nan
    fitted = Fitted(tmp_path, [GOOD] * 4, features=views)

    with pytest.raises(DataError, match="the loss is nan in epoch 2") as error:
        fitted.run()

    assert error.value.exit_code == 3
    assert [row["epoch"] for row in fitted.checkpoints.history()] == [1]
    fitted.checkpoints.restore_last(fitted.model)
    assert fitted.kernel == fitted.weights[0]
    assert fitted.reporter.still_open == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_validation_that_is_no_number_keeps_the_last_good_epoch(tmp_path, broken):
    fitted = Fitted(tmp_path, [GOOD, [0.0, 0.0, broken, 0.0], GOOD], monitor="val_loss")

    with pytest.raises(DataError, match=r"validation .* in epoch 2") as error:
        fitted.run()

    assert "learning_rate" in error.value.fix
    assert [row["epoch"] for row in fitted.checkpoints.history()] == [1]


def test_fix_of_a_broken_loss_is_one_that_works(tmp_path):
    fitted = Fitted(tmp_path, [GOOD], features=np.full((1, 6, 2), np.nan))

    with pytest.raises(DataError) as error:
        fitted.run()

    # A resumed run must have the same config, and would break in the same place.
    assert "resume" not in error.value.fix


# --- predict -------------------------------------------------------------------------------


def test_sigmoid_is_stable_and_symmetric():
    logits = np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0], "float32")

    y_prob = sigmoid(logits)

    assert y_prob.dtype == np.float64
    assert y_prob[[0, 2, 4]].tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(y_prob + y_prob[::-1], 1)
    assert y_prob[3] == pytest.approx(1 / (1 + np.exp(-1)))


def test_batch_size_does_not_matter(tiny_backbone, dataset):
    images = Images(open_dataset(dataset).pixels, np.arange(13), np.zeros(13, int))
    call = forward(build_model("efficientnet_lite0", image_size=SIZE, seed=2))

    by_one, by_five, at_once = (
        predict_logits(call, images, image_size=SIZE, batch_size=size) for size in (1, 5, 32)
    )

    assert by_one.shape == (13,)
    assert by_one.std() > 0
    np.testing.assert_allclose(by_five, by_one, atol=1e-5)
    np.testing.assert_allclose(at_once, by_one, atol=1e-5)


def test_built_in_weights_compute_the_same_and_stay_as_they_were(tiny_backbone):
    model = build_model("efficientnet_lite0", image_size=SIZE, seed=2)
    pixels = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, SIZE, SIZE, 3)), tf.float32)
    before, fixed = forward(model)(pixels), fixed_forward(model)

    model.get_layer("logit").kernel.assign(np.zeros((8, 1)))

    np.testing.assert_allclose(fixed(pixels), before, atol=1e-5)
    assert np.ptp(before) > 0


# --- runs ----------------------------------------------------------------------------------


RANDOM = {"augment.rotate_degrees": 90, "augment.brightness": 0.1, "model.dropout": 0.3}


@pytest.fixture(scope="module")
def parent(tiny_backbone, dataset, tmp_path_factory):
    """A whole run, with augmentation and dropout."""
    return run_train(train_config(dataset, **RANDOM), tmp_path_factory.mktemp("runs") / "parent")


def is_norm(name):
    return "batch_normalization" in name


def test_weights_file_holds_the_model_alone(parent):
    arrays = stored_weights(parent)

    assert sum(array.size for array in arrays.values()) == 8 + 1 + 108 + 216 + 432 + 4 * 18


def test_same_seed_same_run(parent, dataset, tmp_path):
    again = run_train(train_config(dataset, **RANDOM), tmp_path / "again")

    assert outcome(again) == outcome(parent)


def test_another_seed_another_run(parent, dataset, tmp_path):
    other = run_train(train_config(dataset, **RANDOM, seed=1), tmp_path / "other")

    assert history_of(other) != history_of(parent)


def test_training_learns_what_it_is_shown(tiny_backbone, dataset, tmp_path):
    config = train_config(dataset, epochs=10, **{"optimizer.learning_rate": 0.03})

    run = run_train(config, tmp_path / "run")

    best = max(row["val_auc"] for row in history_of(run))
    assert best > 0.9
    test = Predictions.read_csv(run.predictions("test"))
    assert test.y_prob[test.y_true == 1].mean() > test.y_prob[test.y_true == 0].mean()


def test_run_folder_says_what_was_done(parent, dataset):
    record = parent.record()

    assert record["status"] == "finished"
    assert record["best"]["val_auc"] == max(row["val_auc"] for row in history_of(parent))
    assert record["dataset"] == open_dataset(dataset).fingerprint
    assert record["classes"] == ["benign", "malignant"]
    assert {split: len(ids) for split, ids in uses(parent).items()} == COUNTS
    assert parent.predicted_splits() == ["test", "val"]
    assert not parent.state.exists()


def test_predictions_are_those_of_the_best_epoch(parent):
    val = Predictions.read_csv(parent.predictions("val"))
    logits = np.log(val.y_prob) - np.log1p(-val.y_prob)

    scores = validation_scores(val.y_true, logits, make_loss("binary_crossentropy"))

    # The classes are balanced, so the run's weighted loss is the plain one.
    for name, value in scores.items():
        assert parent.record()["best"][name] == pytest.approx(value, abs=1e-5)


def test_head_run_changes_the_head_alone_and_predicts_as_it_did(tiny_backbone, dataset, tmp_path):
    config = head_config(dataset, epochs=3, **{"optimizer.learning_rate": 0.1})
    start = build_model("efficientnet_lite0", image_size=SIZE, weights="imagenet", dropout=0.2)

    run = run_train(config, tmp_path / "run")

    model, _ = session.load_run_model(run)
    pairs = [
        (one.path, one.numpy(), other.numpy())
        for one, other in zip(model.weights, start.weights, strict=True)
    ]
    changed = {path for path, one, other in pairs if (one != other).any()}
    assert changed == {"logit/kernel", "logit/bias"}
    val = Predictions.read_csv(run.predictions("val"))
    logits = np.log(val.y_prob) - np.log1p(-val.y_prob)
    scores = validation_scores(val.y_true, logits, make_loss("binary_crossentropy"))
    for name, value in scores.items():
        assert run.record()["best"][name] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("views", [1, 3])
def test_head_run_reads_the_pixels_once_for_each_view(
    tiny_backbone, dataset, tmp_path, monkeypatch, views
):
    reads, read = [], PixelStore.read
    monkeypatch.setattr(
        PixelStore, "read", lambda self, rows: (reads.append(len(rows)), read(self, rows))[1]
    )
    reporter = QuickReporter()

    config = head_config(
        dataset, epochs=4, feature_views=views, feature_cache=str(tmp_path / "cache")
    )
    run_train(config, tmp_path / "run", reporter=reporter)

    features = views * COUNTS["train"] + COUNTS["val"] + COUNTS["test"]
    assert sum(reads) == features
    assert reporter.counted["features"] == features


def test_broken_run_without_a_checkpoint_leaves_nothing(tiny_backbone, dataset, tmp_path):
    config = train_config(dataset, **{"optimizer.name": "sgd", "optimizer.learning_rate": 1e38})

    with pytest.raises(DataError, match=r"the loss is|validation gives"):
        run_train(config, tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_run_with_weights_of_another_inherits_its_images(parent, dataset, tmp_path):
    config = train_config(dataset, limit=4, epochs=1, **{"model.weights": str(parent.weights)})

    run = run_train(config, tmp_path / "run")

    assert run.record()["parent"] == str(parent.path)
    assert uses(run)["train"] == uses(parent)["train"]


# --- finetune ------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_batch_norm_keeps_weights_and_statistics(parent, tmp_path, frozen):
    config = finetune_config(parent.path, freeze_batch_norm=frozen)

    run = run_finetune(config, tmp_path / "run")

    before, after = stored_weights(parent), stored_weights(run)
    changed = {name for name in before if (before[name] != after[name]).any()}
    norms = {name for name in before if is_norm(name)}
    assert len(norms) == 12  # gamma, beta, mean and variance of three
    assert changed & norms == (set() if frozen else norms)
    assert changed - norms == before.keys() - norms


@pytest.mark.parametrize("trainable", [2, "1 blocks"])
def test_partly_trainable_leaves_the_rest_bit_identical(parent, tmp_path, trainable):
    config = finetune_config(parent.path, trainable=trainable, freeze_batch_norm=False)

    child, _ = session.load_run_model(run_finetune(config, tmp_path / "run"))

    before, _ = session.load_run_model(parent)
    changed = {
        one.path
        for one, other in zip(child.variables, before.variables, strict=True)
        if (one.numpy() != other.numpy()).any()
    }
    norm = [f"block2a_project_bn/{part}" for part in ("gamma", "beta")]
    norm += [f"block2a_project_bn/moving_{part}" for part in ("mean", "variance")]
    assert {re.sub(r"^backbone/", "", path) for path in changed} == {
        "block2a_conv/kernel",
        *norm,
        "logit/kernel",
        "logit/bias",
    }


def test_finetuned_run_names_its_parent_and_inherits(parent, dataset, tmp_path):
    run = run_finetune(finetune_config(parent.path, limit=4, trainable="head"), tmp_path / "run")

    record = run.record()
    assert record["parent"] == str(parent.path)
    assert record["kind"] == "finetune"
    assert record["seed"] == 0
    assert f"dataset: {dataset}" in run.config.read_text()
    assert uses(run) == uses(parent)


def test_parent_that_learnt_from_val_is_refused(parent, tmp_path):
    names = [f"l{index:03d}" for index in reversed(range(sum(COUNTS.values())))]
    other = write_lesions(tmp_path / "other", names=names)

    with pytest.raises(IntegrityError, match=r"learnt from .* images? of val") as error:
        run_finetune(finetune_config(parent.path, dataset=str(other)), tmp_path / "run")

    assert error.value.exit_code == 4
    assert not (tmp_path / "run").exists()


def test_unfinished_parent_is_refused(tmp_path, dataset):
    run = RunDir(tmp_path / "parent")
    run.path.mkdir()
    run.update_record(status="running")

    with pytest.raises(DataError, match="not a finished run"):
        run_finetune(finetune_config(run.path), tmp_path / "run")


def test_finetuning_onto_the_parent_does_not_delete_it(parent):
    before = outcome(parent)

    with pytest.raises(ConfigError, match="its own parent"):
        run_finetune(finetune_config(parent.path), parent.path, overwrite=True)

    assert outcome(parent) == before


def test_training_from_own_weights_does_not_delete_them(parent, dataset):
    config = train_config(dataset, **{"model.weights": str(parent.weights)})
    before = outcome(parent)

    with pytest.raises(ConfigError, match="would be deleted"):
        run_train(config, parent.path, overwrite=True)

    assert outcome(parent) == before


def test_finetune_passes_its_recipe_and_seeds_dropout(parent, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        session, "train_model", lambda model, *args, **options: calls.append((model, options))
    )

    for seed in (0, 5):
        config = finetune_config(parent.path, seed=seed, batch_size=3)
        run_finetune(config, tmp_path / f"seed{seed}")

    states = [
        model.get_layer("dropout").seed_generator.state.numpy().tolist() for model, _ in calls
    ]
    assert [options["seed"] for _, options in calls] == [0, 5]
    assert calls[0][1]["recipe"].batch_size == 3
    assert states[0] != states[1]


def test_loaded_model_predicts_what_the_run_wrote(parent, dataset):
    model, config = session.load_run_model(parent)
    rows = open_dataset(dataset).manifest.rows("test")
    pixels = open_dataset(dataset).pixels.read(rows).astype("float32")

    logits = model(tf.constant(pixels), training=False).numpy()[:, 0]

    written = Predictions.read_csv(parent.predictions("test")).y_prob
    assert config.image_size == SIZE
    np.testing.assert_allclose(sigmoid(logits), written, atol=1e-5)


def test_ensemble_has_no_model_to_load(tmp_path):
    with pytest.raises(DataError, match="holds no model"):
        session.load_run_model(RunDir(tmp_path))
