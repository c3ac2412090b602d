"""evaluate, what using a model would mean: only what is asked for, from val, by the leaves."""

import json

import numpy as np
import pytest
from fabricated import TEST, predictions
from pydantic import ValidationError

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig
from skinlesion.metrics.abstention import label_sets
from skinlesion.metrics.calibration import brier_parts
from skinlesion.metrics.proportions import wilson
from skinlesion.progress import Reporter
from skinlesion.report import decisions

pytestmark = [pytest.mark.usefixtures("unrendered"), pytest.mark.thorough]

ASKED = {
    "referral": {"benign_coverage": 0.6, "malignant_coverage": 0.7},
    "decision_curve": {},
    "risk_coverage": True,
    "reliability": True,
    "mistakes": 2,
}


@pytest.fixture
def score(tmp_path):
    """Evaluate one run; returns the notes and metrics.json."""

    def run(made, **options):
        outcome = evaluate.run(
            EvaluateConfig(**{"resamples": 100, **options}),
            runs=[made.path],
            reports=tmp_path / "reports",
            reporter=Reporter(quiet=True),
        )
        text = (made.evaluation(options.get("split", "test")) / "metrics.json").read_text()
        return outcome.notes, json.loads(text)

    return run


def test_nothing_is_added_that_is_not_asked_for(make_run, score):
    made = make_run("a")
    _, plain = score(made)

    _, asked = score(made, **ASKED)

    assert set(asked) - set(plain) == set(ASKED)
    assert {**asked, "config": 0} == {**asked, **plain, "config": 0}


def test_referral_by_hand(make_run, score):
    notes, metrics = score(make_run("a"), referral=ASKED["referral"])

    # Of 3 benign and 3 malignant groups of val, and one yet to come each, 0.6 and 0.7 take 3.
    found = metrics["referral"]
    assert (found["params"]["benign_up_to"], found["params"]["malignant_from"]) == (0.6, 0.4)
    assert found["zone"] == {"low": 0.4, "high": 0.6, "contains": "both"}
    assert found["counts"] == {
        "benign": {"benign": 3, "malignant": 1, "both": 1, "none": 0},
        "malignant": {"benign": 1, "malignant": 2, "both": 0, "none": 0},
    }
    assert found["sensitivity"] == vars(wilson(2, 3, confidence=0.95))
    assert found["referred"] == vars(wilson(1, 8, confidence=0.95))
    assert any("Referral" in note and "slightly optimistic" in note for note in notes)


def test_sets_are_fitted_on_val_whatever_the_labels_of_the_split_are(make_run, score):
    turned = {image: (1 - label, prob) for image, (label, prob) in TEST.items()}

    one, other = (
        score(make_run(name, test=test), referral={})[1]["referral"]
        for name, test in (("a", TEST), ("b", turned))
    )

    assert one["params"] == other["params"]
    assert one["counts"]["benign"] == other["counts"]["malignant"]


def test_what_is_written_suffices_to_refer_new_images(make_run, score):
    found = score(make_run("a"), referral=ASKED["referral"])[1]["referral"]

    sets = label_sets(found["params"], predictions(TEST).y_prob).tolist()

    assert sets.count("both") == sum(counts["both"] for counts in found["counts"].values())


def test_without_val_predictions_there_is_no_referral_and_a_note_names_the_run(make_run, score):
    notes, metrics = score(make_run("a", val=None), referral={})

    assert "referral" not in metrics
    assert "No referral, for want of val predictions: a." in notes
    assert not any("optimistic" in note for note in notes)


def test_the_decision_curve_by_hand(make_run, score):
    settings = {"lowest": 0.35, "highest": 0.75, "steps": 2}

    curve = score(make_run("a"), decision_curve=settings)[1]["decision_curve"]

    # From 0.35 on 3 of 3 malignant and 2 of 5 benign images are treated, from 0.75 on 2 and 0.
    assert curve["at"] == [0.35, 0.75]
    assert curve["model"] == pytest.approx([3 / 8 - 2 / 8 * 35 / 65, 2 / 8])
    assert curve["treat_all"] == pytest.approx([3 / 8 - 5 / 8 * 35 / 65, 3 / 8 - 5 / 8 * 3])
    assert curve["useful"] == [True, True]
    assert curve["prevalence"] == 3 / 8
    assert all(low <= high for low, high in zip(curve["low"], curve["high"], strict=True))


def test_risk_and_coverage_by_hand(make_run, score):
    threshold = {"rule": "fixed", "value": 0.5}

    curve = score(make_run("a"), risk_coverage=True, threshold=threshold)[1]["risk_coverage"]

    # Certain by distance from 0.5: x0 and x7 (0.4), x1 and x6 (0.3), x2 and x4 (0.2), x5, x3.
    assert curve["coverage"] == [2 / 8, 4 / 8, 6 / 8, 7 / 8, 1]
    assert curve["risk"] == [0, 0, 1 / 6, 2 / 7, 2 / 8]
    assert curve["sensitivity"] == [1, 1, 1, 2 / 3, 2 / 3]


def test_a_long_risk_coverage_curve_is_thinned_but_keeps_its_ends(make_run, score):
    probs = np.linspace(0.01, 0.99, 501).tolist()
    test = {f"m{row}": (row % 2, prob) for row, prob in enumerate(probs)}
    threshold = {"rule": "fixed", "value": 0.001}

    curve = score(make_run("a", test=test), risk_coverage=True, threshold=threshold)[1]

    coverage = curve["risk_coverage"]["coverage"]
    assert len(coverage) == decisions.POINTS
    assert (coverage[0], coverage[-1]) == (1 / 501, 1)


def test_the_bins_and_the_parts_of_brier_are_those_of_the_scores(make_run, score):
    metrics = score(make_run("a"), reliability=True)[1]

    bins, parts = metrics["reliability"]["bins"], metrics["reliability"]["brier"]
    assert sum(one["images"] for one in bins) == 8
    gaps = [
        one["images"] / 8 * abs(one["mean_prob"] - one["observed"]["value"])
        for one in bins
        if one["images"]
    ]
    assert sum(gaps) == pytest.approx(metrics["scores"]["ece"]["value"])
    empty = next(one for one in bins if not one["images"])
    assert (empty["mean_prob"], empty["observed"]["value"]) == (None, None)
    brier = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    assert brier == pytest.approx(metrics["scores"]["brier"]["value"])
    table = predictions(TEST)
    assert parts == vars(brier_parts(table.y_true, table.y_prob))


def test_the_worst_mistakes_by_hand(make_run, score):
    assert score(make_run("a"), mistakes=1)[1]["mistakes"] == {
        "false_negatives": [{"image_id": "x5", "y_prob": 0.35}],
        "false_positives": [{"image_id": "x4", "y_prob": 0.7}],
    }


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("prevalence", [None, 0.1])
def test_one_class_gives_null_and_no_error(make_run, score, label, prevalence):
    made = make_run("a", test={f"x{n}": (label, n / 10) for n in range(4)})

    _, metrics = score(made, **ASKED, prevalence=prevalence)

    assert metrics["reliability"]["brier"] is None
    assert metrics["referral"]["specificity" if label else "sensitivity"]["value"] is None
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"referral": {"benign_coverage": 0.3}},
        {"referral": {"malignant_coverage": 0.3}},
        {"decision_curve": {"lowest": 0.1}},
        {"decision_curve": {"highest": 0.3}},
        {"decision_curve": {"steps": 3}},
        {"mistakes": 1},
        {"calibration": "platt"},
        {"confidence": 0.5},
        {"prevalence": 0.1},
        {"seed": 1},
        {"resamples": 200},
        {"split": "val"},
        {"threshold": {"rule": "fixed", "value": 0.9}},
    ],
)
def test_each_option_changes_what_is_written(make_run, score, changed):
    drawn = np.random.default_rng(0).random(60).tolist()
    test = {f"m{row}": (row % 2, prob) for row, prob in enumerate(drawn)}
    made, plain = make_run("a", test=test), {**ASKED, "referral": {}}

    before, after = (score(made, **plain | more)[1] for more in ({}, changed))

    assert any(before[name] != after[name] for name in ASKED)


def test_every_field_of_the_config_is_tested_to_change_something():
    here = {"referral", "decision_curve", "risk_coverage", "reliability", "mistakes"}
    elsewhere = {"split", "threshold", "interval", "resamples", "confidence", "seed"}
    elsewhere |= {"prevalence", "calibration", "subgroups"}

    assert here == set(ASKED)
    assert here | elsewhere == set(EvaluateConfig.model_fields)


def test_a_curve_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValidationError, match="lowest must be below highest"):
        EvaluateConfig(decision_curve={"lowest": 0.5, "highest": 0.1})
