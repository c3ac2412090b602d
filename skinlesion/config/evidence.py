"""The configs of ensemble, evaluate and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from skinlesion.config.section import Positive, Probability, Section

Criterion = Literal["roc_auc", "log_loss", "brier"]


class Mean(Section):
    """The mean of the probabilities."""

    name: Literal["mean"]


class LogitMean(Section):
    """The mean of the logits: the geometric mean of the odds."""

    name: Literal["logit_mean"]


class Weighted(Section):
    """The weighted mean with the least log loss on val."""

    name: Literal["weighted"]


class MajorityVote(Section):
    """The fraction of members at or above 0.5."""

    name: Literal["majority_vote"]


class RankMean(Section):
    """The mean of the ranks among val."""

    name: Literal["rank_mean"]


class Greedy(Section):
    """Members picked one by one, with replacement, Caruana et al. 2004."""

    name: Literal["greedy"]
    score: Criterion = Field("roc_auc", description="what a pick improves on val")
    rounds: int = Field(50, ge=1, description="most picks; the best beginning is kept")


class BestSubset(Section):
    """The mean of the best of all subsets; at most 12 members."""

    name: Literal["best_subset"]
    score: Criterion = Field("roc_auc", description="of val, chooses the subset")


class Stacking(Section):
    """Logistic regression on the logits, weights not negative."""

    name: Literal["stacking"]
    penalty: Positive | None = Field(
        None, description="pulls the weights towards even ones; null: chosen by group folds of val"
    )
    folds: int = Field(5, ge=2, description="of that choice")


Method = Annotated[
    Mean | LogitMean | Weighted | MajorityVote | RankMean | Greedy | BestSubset | Stacking,
    Field(discriminator="name"),
]


class EnsembleConfig(Section):
    """How members' probabilities become one."""

    members: tuple[Path, ...] = Field((), description="run folders; --members sets it")
    method: Method = Mean(name="mean")
    folds: int = Field(
        5, ge=2, description="of val, by group: how much better fitting on val makes it look"
    )
    seed: int = Field(0, ge=0, description="of the folds")


class FixedThreshold(Section):
    """Malignant from this probability on."""

    rule: Literal["fixed"]
    value: Probability = 0.5


class YoudenThreshold(Section):
    """The threshold with the largest sensitivity + specificity - 1 on val."""

    rule: Literal["youden"]


class SensitivityThreshold(Section):
    """The highest threshold with at least this sensitivity on val."""

    rule: Literal["sensitivity"]
    at_least: Annotated[float, Field(gt=0, le=1)] = Field(
        0.89, description="the ISIC challenges report 0.82, 0.89 and 0.95"
    )


class SpecificityThreshold(Section):
    """The lowest threshold with at least this specificity on val."""

    rule: Literal["specificity"]
    at_least: Annotated[float, Field(gt=0, le=1)] = 0.8


class CostThreshold(Section):
    """The threshold with the least expected cost of misses and false alarms on val."""

    rule: Literal["cost"]
    miss_cost: Positive = Field(20, description="of a missed malignant image, in false alarms")
    prevalence: Probability | None = Field(
        None, description="malignant fraction where the model will be used; null: that of val"
    )


class NetBenefitThreshold(Section):
    """The threshold with the most net benefit on val to those who would act from ``at`` on."""

    rule: Literal["net_benefit"]
    at: Probability = Field(
        0.1, description="probability of malignancy from which on a biopsy is worth it"
    )
    prevalence: Probability | None = Field(
        None, description="malignant fraction where the model will be used; null: that of val"
    )


class GuaranteedThreshold(Section):
    """The highest threshold that promises at least this sensitivity on new images."""

    rule: Literal["guaranteed_sensitivity"]
    at_least: Probability = Field(
        0.9, description="0.9 needs 29 malignant groups of val at confidence 0.95, 0.95 needs 59"
    )
    confidence: Probability = Field(0.95, description="that the promise is kept")


Threshold = Annotated[
    FixedThreshold
    | YoudenThreshold
    | SensitivityThreshold
    | SpecificityThreshold
    | CostThreshold
    | NetBenefitThreshold
    | GuaranteedThreshold,
    Field(discriminator="rule"),
]


class Judging(Section):
    """What evaluate and compare share."""

    split: str = Field(
        "test", pattern=r"^[^./\\][^/\\]*$", description="test, or a benchmark's name"
    )
    threshold: Threshold = YoudenThreshold(rule="youden")
    interval: Literal["percentile", "bca"] = Field(
        "percentile", description="bca: corrected for bias and skewness"
    )
    resamples: int = Field(2000, ge=100, description="of the group bootstrap")
    confidence: Probability = 0.95
    seed: int = Field(0, ge=0, description="of the bootstrap")


class Subgroups(Section):
    """Parts of the split, by columns of a table, each scored for itself; null: none."""

    file: Path = Field(description="CSV with image_id and the columns: a data set's metadata.csv")
    columns: tuple[str, ...] = Field(min_length=1, description="one table each: sex, age, ...")
    bands: dict[str, tuple[float, ...]] = Field(
        default_factory=dict,
        description="of columns of numbers, where one subgroup ends and the next begins",
    )
    scores: tuple[str, ...] = Field(
        ("roc_auc", "sensitivity", "specificity"), min_length=1, description="of each subgroup"
    )

    @model_validator(mode="after")
    def _refuse_bands_of_nothing(self) -> Self:
        others = sorted(set(self.bands) - set(self.columns))
        if others:
            raise ValueError(f"bands of {', '.join(others)}, which is not among columns")
        return self


class Referral(Section):
    """Conformal sets, fitted on val: which images to leave to a dermatologist; null: none."""

    benign_coverage: Probability = Field(
        0.9, description="share of benign images whose set shall hold benign"
    )
    malignant_coverage: Probability = Field(
        0.95, description="likewise; 0.95 needs 19 malignant groups of val, or every set holds it"
    )


class DecisionCurve(Section):
    """Net benefit at evenly spaced threshold probabilities, in metrics.json; null: none."""

    lowest: Probability = 0.01
    highest: Probability = 0.5
    steps: int = Field(50, ge=2, description="threshold probabilities, both ends among them")

    @model_validator(mode="after")
    def _refuse_reversed_ends(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest must be below highest")
        return self


class EvaluateConfig(Judging):
    """How runs are scored on a split."""

    calibration: Literal["none", "temperature", "platt", "beta", "isotonic"] = Field(
        "none", description="fitted on val; thresholds and scores are of calibrated probabilities"
    )
    prevalence: Probability | None = Field(
        None,
        description="adds PPV and NPV where this fraction is malignant; null: as observed only",
    )
    subgroups: Subgroups | None = None
    referral: Referral | None = None
    decision_curve: DecisionCurve | None = None
    risk_coverage: bool = Field(
        False, description="adds to metrics.json what is wrong among the most certain images"
    )
    reliability: bool = Field(
        False, description="adds the bins of a reliability diagram and the parts of Brier's score"
    )
    mistakes: int = Field(
        0, ge=0, description="adds so many of the worst false negatives and false positives"
    )


class CompareConfig(Judging):
    """How models are compared, pair by pair, on the same images of a split."""

    members: tuple[Path, ...] = Field(
        (), description="run folders and CSV files; those on the command line set it"
    )
    score: str = Field("roc_auc", description="the score whose differences are judged")
