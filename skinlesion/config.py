"""Frozen pydantic schemas, one per command, and how YAML and ``--set`` become one of them."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from skinlesion.errors import ConfigError

MAX_YAML_BYTES = 1_000_000
PRESETS = next(
    folder
    for folder in (Path(__file__).parent / "presets", Path(__file__).parent.parent / "configs")
    if folder.is_dir()
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
BackboneName = Literal[
    "alexnet",
    "inceptionv3",
    "resnet50",
    "densenet121",
    "efficientnetb0",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
]
Fit = Literal["squash", "letterbox", "center_crop"]
Target = Literal["malignant", "melanoma"]
Criterion = Literal["roc_auc", "log_loss", "brier"]
Monitor = Literal["val_auc", "val_average_precision", "val_balanced_accuracy", "val_loss"]


def _depth(value: Any) -> Any:
    """One sentence for a wrong ``trainable``, where the union would give one a member."""
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and re.fullmatch(r"head|all|[1-9][0-9]* blocks?", value):
        return value
    raise ValueError(
        "should be head, all, the last n layers (20) or the last n blocks ('2 blocks')"
    )


Trainable = Annotated[
    Literal["head", "all"]
    | Annotated[int, Field(gt=0)]
    | Annotated[str, Field(pattern=r"^[1-9][0-9]* blocks?$")],
    BeforeValidator(_depth),
]


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: _prepared(value, fields[key]) if key in fields else value
            for key, value in values.items()
        }


def _prepared(value: Any, field: FieldInfo) -> Any:
    """``value`` as it is meant, in three cases where pydantic would take it otherwise."""
    # "epochs: yes" is true in YAML, which pydantic takes for 1.
    if isinstance(value, bool) and field.annotation not in (bool, str):
        return str(value)
    # "method: greedy" is short for "method: {name: greedy}".
    if field.discriminator and isinstance(value, str):
        return {field.discriminator: value}
    # "optimizer: {learning_rate: 1e-4}" names no optimizer: it changes the default one.
    if field.discriminator and isinstance(value, dict) and field.discriminator not in value:
        return {**field.default.model_dump(), **value}
    return value


# --- download-isic ------------------------------------------------------------------------

Licence = Literal["CC-0", "CC-BY", "CC-BY-NC"]
Year = Literal[2016, 2017, 2018, 2019, 2020]
DIAGNOSIS_1 = ("Benign", "Indeterminate", "Malignant")

_BASE_URL = re.compile(
    r"(https://[\w.-]+(:\d+)?|http://(127\.0\.0\.1|localhost)(:\d+)?)(/[\w.~-]+)*/"
)
_GONE = re.compile(r"\b(benign_malignant|diagnosis)\s*:")
_DIAGNOSIS_1 = re.compile(r"\bdiagnosis_1\s*:\s*\"?([^\s\")]*)")
_QUOTED_VALUE = re.compile(r":\s*\"[^\"]*\"")


def _base_url(text: str) -> str:
    if not _BASE_URL.fullmatch(text):
        raise ValueError("should be https://HOST/.../ with a slash at the end")
    return text


def _query(text: str) -> str:
    """Refuse what the archive's search once had, and a word that diagnosis_1 never is."""
    gone = _GONE.search(_QUOTED_VALUE.sub(":", text))
    if gone:
        raise ValueError(
            f"the archive no longer has the field {gone[1]}: use diagnosis_1 (Benign, Indeterminate"
            ' or Malignant) and, below it, diagnosis_2 to diagnosis_5, as in diagnosis_3:"Nevus"'
        )
    words = _DIAGNOSIS_1.findall(text)
    wrong = [word for word in words if "*" not in word and word not in DIAGNOSIS_1]
    if wrong:
        raise ValueError(f"diagnosis_1 is Benign, Indeterminate or Malignant, not {wrong[0]!r}")
    return text


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class ArchiveQuery(Section):
    """Images of the ISIC Archive."""

    query: Annotated[str, AfterValidator(_query)] = Field(
        "", description="as in the archive's search: 'diagnosis_1:Malignant AND sex:male'; '': all"
    )
    collections: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (), description="numbers of collections, any of which an image is in; []: all"
    )


class ChallengeFiles(Section):
    """The classification data of the ISIC challenges, in their own layout."""

    years: tuple[Year, ...] = Field(description="2016 to 2020", min_length=1)
    splits: tuple[Literal["train", "val", "test"], ...] = Field(
        ("train", "val", "test"), min_length=1, description="parts of each year to fetch"
    )


class DownloadConfig(Section):
    """From the ISIC Archive or its challenges to a folder that ``preprocess`` reads."""

    archive: ArchiveQuery | None = None
    challenge: ChallengeFiles | None = None
    licences: tuple[Licence, ...] = Field((), description="only images under these; []: all")
    limit: int | None = Field(None, ge=1, description="archive only: at most so many images")
    thumbnails: bool = Field(False, description="archive only: 256 pixels instead of the full size")
    max_pixels: int | None = Field(
        None, ge=4096, description="larger images are stored reduced to so many pixels"
    )
    connections: int = Field(4, ge=1, le=8, description="files fetched at the same time")
    retries: int = Field(5, ge=0, le=20, description="of a request that failed for the moment")
    backoff_seconds: Positive = Field(
        1.0, description="before the first retry, doubled each time; Retry-After goes before it"
    )
    timeout_seconds: Positive = Field(30.0, description="of silence before a request has failed")
    api_url: BaseUrl = Field(
        "https://api.isic-archive.com/api/v2/", description="of the archive, version 2"
    )
    challenge_url: BaseUrl = Field(
        "https://isic-archive.s3.amazonaws.com/challenges/",
        description="has a folder for each year",
    )
    hosts: tuple[Annotated[str, Field(pattern=r"^[\w.-]+(:\d+)?$")], ...] = Field(
        ("isic-archive.s3.amazonaws.com", "content.isic-archive.com"),
        description="that files may come from, beside those of the two URLs",
    )

    @model_validator(mode="after")
    def _archive_only(self) -> DownloadConfig:
        given = [name for name in ("limit", "thumbnails") if getattr(self, name)]
        if given and self.archive is None:
            raise ValueError(f"{given[0]} is for an archive query, and there is none")
        return self


# --- preprocess ---------------------------------------------------------------------------


class Cleaning(Section):
    """Changes of the stored images; a model's later images get the same."""

    border_crop: bool = Field(False, description="crop the dark rim of a round view")
    hair_removal: bool = Field(False, description="paint skin over dark hair")
    color_constancy: Literal["none", "shades_of_gray"] = Field(
        "none", description="shades_of_gray: make the light neutral"
    )
    minkowski_p: float = Field(
        6.0, ge=1, le=100, description="of shades_of_gray; 1: grey world, large: white patch"
    )


class PreprocessConfig(Section):
    """From folders of images to ``dataset/``."""

    sources: tuple[Path, ...] = Field((), description="folders or CSV files; --source adds to it")
    seed: int = Field(0, ge=0, description="of the split and of undersampling")
    image_size: int = Field(256, ge=32, le=1024, description="pixels a side of the stored images")
    fit: Fit = Field("squash", description="how an image becomes square; letterbox pads with black")
    cleaning: Cleaning = Cleaning()
    val_fraction: Fraction = Field(
        0.15, description="of the images without an official split; of train where it has no val"
    )
    test_fraction: Fraction = Field(0.15, description="of the images without an official split")
    balance: Literal["none", "undersample"] = Field(
        "none", description="undersample: as many benign as malignant images in train and val"
    )
    indeterminate: Literal["exclude", "benign", "malignant"] = Field(
        "exclude", description="what to do with actinic keratosis and the like"
    )
    classes: dict[str, Literal["benign", "malignant"]] = Field(
        default_factory=dict, description="class names of your own, beside the built-in ones"
    )
    diagnoses: tuple[Path, ...] = Field(
        (), description="CSV files with image_id,diagnosis that replace the sources' diagnoses"
    )
    strict: bool = Field(
        False, description="refuse images that would leak, instead of leaving them out"
    )
    workers: int = Field(0, ge=0, description="threads that decode; 0: one a core")

    @model_validator(mode="after")
    def _leave_some_to_train(self) -> PreprocessConfig:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction + test_fraction must be below 1")
        return self


# --- train and finetune -------------------------------------------------------------------


class ModelConfig(Section):
    """Which network, on which input."""

    backbone: BackboneName
    weights: str = Field("imagenet", description="imagenet | none | path of a .weights.h5 file")
    image_size: int = Field(224, ge=32, le=1024, description="pixels a side of the input")
    pooling: Literal["avg", "max"] = Field("avg", description="of the backbone's feature map")
    dropout: Fraction = Field(0.2, description="before the last layer")
    batch_norm: bool = Field(
        False, description="alexnet only: batch normalisation instead of the 2012 response norm"
    )

    @model_validator(mode="after")
    def _alexnet_only(self) -> ModelConfig:
        if self.batch_norm and self.backbone != "alexnet":
            raise ValueError(f"batch_norm is an option of alexnet, not of {self.backbone}")
        if self.backbone == "alexnet" and self.weights == "imagenet":
            raise ValueError("alexnet has no ImageNet weights: set weights: none")
        return self


class BinaryCrossentropy(Section):
    """Plain cross-entropy."""

    name: Literal["binary_crossentropy"]
    label_smoothing: Fraction = 0.0


class WeightedCrossentropy(Section):
    """Cross-entropy with a weight for each class."""

    name: Literal["weighted_crossentropy"]
    class_weight: Literal["balanced"] | tuple[Positive, Positive] = Field(
        "balanced", description="balanced, or the weights of [benign, malignant]"
    )
    label_smoothing: Fraction = 0.0


class Focal(Section):
    """Focal loss, Lin et al. 2017."""

    name: Literal["focal"]
    gamma: float = Field(2.0, ge=0, description="0 is cross-entropy")
    alpha: Probability | None = Field(None, description="weight of malignant; null: unweighted")
    label_smoothing: Fraction = 0.0


Loss = Annotated[BinaryCrossentropy | WeightedCrossentropy | Focal, Field(discriminator="name")]


class AdamW(Section):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    learning_rate: Positive = 1e-3
    weight_decay: float = Field(1e-4, ge=0)


class Sgd(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"]
    learning_rate: Positive = 1e-2
    weight_decay: float = Field(1e-4, ge=0)
    momentum: Fraction = 0.9


Optimizer = Annotated[AdamW | Sgd, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over a run: a linear warm-up, then a decay by the step."""

    warmup_epochs: float = Field(1.0, ge=0)
    decay: Literal["cosine", "none"] = "cosine"


class Augment(Section):
    """Random changes of the training images, stateless, keyed by (seed, epoch, index)."""

    flip: bool = Field(True, description="one of the 8 flips and quarter turns")
    rotate_degrees: float = Field(0.0, ge=0, le=180)
    zoom: Fraction = Field(0.0, description="0.1: from 1/1.1 to 1.1 times")
    shift: Fraction = Field(0.0, description="fraction of the side")
    shear: Fraction = 0.0
    brightness: Fraction = Field(0.0, description="fraction of the full range")
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: float = Field(0.0, ge=0, le=0.5, description="fraction of the colour circle")


class Recipe(Section):
    """What train and finetune share."""

    loss: Loss = WeightedCrossentropy(name="weighted_crossentropy")
    optimizer: Optimizer = AdamW(name="adamw")
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1)
    early_stop_epochs: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better monitor; null: never"
    )
    monitor: Monitor = Field("val_auc", description="chooses the best epoch")
    limit: int | None = Field(
        None, ge=2, description="at most so many training images, class proportions kept"
    )


class TrainConfig(Recipe):
    """A new classifier, from pretrained weights or from scratch."""

    seed: int = Field(0, ge=0)
    dataset: Path = Field(Path("dataset"), description="what preprocess wrote")
    target: Target = "malignant"
    model: ModelConfig
    trainable: Trainable = Field(
        "head", description="head | all | last n layers (20) | last n blocks ('2 blocks')"
    )
    freeze_batch_norm: bool = Field(False, description="keep BatchNorm statistics and weights")
    feature_views: int = Field(
        1, ge=1, le=64, description="trainable: head only: views of each image; 2+ are augmented"
    )

    @model_validator(mode="after")
    def _head_needs_pretrained(self) -> TrainConfig:
        if self.trainable == "head" and self.model.weights == "none":
            raise ValueError(
                "trainable: head keeps random features; set trainable: all, or give weights"
            )
        if self.feature_views > 1 and self.trainable != "head":
            raise ValueError("feature_views is for trainable: head; other runs augment each epoch")
        return self


class FinetuneConfig(Recipe):
    """A finished run, trained further with more of its backbone unfrozen."""

    run: Path | None = Field(None, description="the run to start from; --run sets it")
    seed: int | None = Field(None, ge=0, description="null: the parent's")
    dataset: Path | None = Field(None, description="null: the parent's")
    trainable: Trainable = "all"
    freeze_batch_norm: bool = Field(True, description="keep BatchNorm statistics and weights")
    optimizer: Optimizer = AdamW(name="adamw", learning_rate=2e-4, weight_decay=1e-2)
    augment: Augment = Augment(
        rotate_degrees=180,
        zoom=0.2,
        shift=0.1,
        brightness=0.15,
        contrast=0.15,
        saturation=0.15,
        hue=0.02,
    )
    epochs: int = Field(12, ge=1)


# --- ensemble, evaluate and compare -------------------------------------------------------


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


Threshold = Annotated[
    FixedThreshold | YoudenThreshold | SensitivityThreshold, Field(discriminator="rule")
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


class EvaluateConfig(Judging):
    """How runs are scored on a split."""

    prevalence: Probability | None = Field(
        None,
        description="adds PPV and NPV where this fraction is malignant; null: as observed only",
    )


class CompareConfig(Judging):
    """How models are compared, pair by pair, on the same images of a split."""

    members: tuple[Path, ...] = Field(
        (), description="run folders and CSV files; those on the command line set it"
    )
    score: str = Field("roc_auc", description="the score whose differences are judged")


SCHEMAS: dict[str, type[Section]] = {
    "download-isic": DownloadConfig,
    "preprocess": PreprocessConfig,
    "train": TrainConfig,
    "finetune": FinetuneConfig,
    "ensemble": EnsembleConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
}

S = TypeVar("S", bound=Section)

# How a wrong value is quoted: aliases can make one that is endless when it is written out.
_BRIEFLY = reprlib.Repr()
_BRIEFLY.maxlevel, _BRIEFLY.maxstring = 2, 80


def find_config(name: Path) -> Path:
    """The file that ``--config NAME`` means: as given, in ./configs, or a preset.

    Raises:
        ConfigError: If none of them exists.
    """
    places = [name]
    if not name.is_absolute():
        places += [Path("configs") / name, PRESETS / name]
    for place in places:
        if place.is_file():
            return place
    presets = sorted(path.relative_to(PRESETS).as_posix() for path in PRESETS.rglob("*.yaml"))
    raise ConfigError(
        f"there is no config {name}",
        expected="a file in the working directory, in ./configs, or a preset"
        f" ({', '.join(presets)})",
        fix=_did_you_mean(str(name), presets),
    )


def load_config(path: Path | None, schema: type[S], overrides: Sequence[str] = ()) -> S:
    """Read YAML, apply ``key=value`` overrides, validate.

    Args:
        path: As in ``find_config``; None: the schema's defaults.
        schema: One of ``SCHEMAS``' values.
        overrides: Like ``train.learning_rate=3e-4``: dotted keys, YAML values.

    Raises:
        ConfigError: If the file is missing, is not YAML, or does not fit the schema.
    """
    values = read_yaml(find_config(path)) if path else {}
    for override in overrides:
        _apply(_spelt_out(values, schema), override)
    return validate(values, schema, where=str(path) if path else "the command line")


def validate(values: dict[str, Any], schema: type[S], *, where: str) -> S:
    """Make a ``schema`` of ``values``; ConfigError lists every wrong key with its path."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(f"    {line}" for line in _problems(error, schema))
        raise ConfigError(f"{where} is not a valid {schema.__name__}:\n{problems}") from error


def to_yaml(config: Section) -> str:
    """The resolved config with all defaults."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file: safe loader, size cap, no key twice."""
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_YAML_BYTES} bytes: not a config")
    values = _parse(path.read_bytes(), what=str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a YAML mapping", expected="lines of 'key: value'")
    return values


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in given]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _parse(text: str | bytes, *, what: str) -> Any:
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    # PyYAML lets out what its readers of numbers, dates and nested lists raise.
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{what} is not valid YAML:\n    {error}") from error


def _spelt_out(values: dict[str, Any], schema: type[Section]) -> dict[str, Any]:
    """``values``, where a word that is short for a section has become one, to set its keys."""
    for key, field in schema.model_fields.items():
        if field.discriminator and isinstance(values.get(key), str):
            values[key] = _prepared(values[key], field)
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}", expected="key=value, such as epochs=3")
    *parents, last = key.strip().split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override}: {parent} is not a section")
    section[last] = _parse(text, what=f"--set {override}: the value")


def _problems(error: ValidationError, schema: type[Section]) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        location = [str(part) for part in item["loc"]]
        path = ".".join(location) or "(whole)"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            hint = _similar_key(location, schema)
            message = "unknown key" + (f"; {hint}" if hint else "")
        elif item["type"] != "missing" and item["loc"]:
            message += f" (received {_BRIEFLY.repr(item['input'])})"
        lines.append(f"{path}: {message}")
    return lines


def _similar_key(location: Sequence[str], schema: type[Section]) -> str:
    """The key that was meant: first one of the same section, then of any."""
    keys = sorted(set(_keys(schema)))
    beside = [key for key in keys if key.split(".")[:-1] == list(location[: len(location) > 1])]
    for candidates in (beside, keys):
        by_name = {key.rpartition(".")[2]: key for key in candidates}
        close = difflib.get_close_matches(location[-1], by_name, n=1)
        if close and candidates is beside and close[0] == location[-1]:
            return f"another kind of {location[0]} has it"
        if close:
            return f"did you mean {by_name[close[0]]}?"
    return ""


def _keys(schema: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of ``schema`` and of the sections below it, dotted."""
    for name, field in schema.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                yield from _keys(part, f"{prefix}{name}.")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else ""
