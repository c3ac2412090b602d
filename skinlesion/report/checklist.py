"""Which items of CLEAR Derm and TRIPOD+AI the records fill, and which are not reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skinlesion.report.facts import Facts
from skinlesion.wording import counted

NOT_REPORTED = "not reported"
CLEAR, TRIPOD = "CLEAR Derm", "TRIPOD+AI"
SOURCES = (
    "Daneshjou et al., Checklist for Evaluation of Image-Based Artificial Intelligence Reports in"
    " Dermatology: CLEAR Derm Consensus Guidelines, JAMA Dermatology 158:90, 2022",
    "Collins et al., TRIPOD+AI statement, BMJ 385:e078378, 2024",
)


@dataclass(frozen=True)
class Item:
    """One topic of a guideline, in our words.

    Attributes:
        guideline: Which one.
        topic: What it asks for.
        found: What is recorded of it; ``NOT_REPORTED`` if nothing is.
    """

    guideline: str
    topic: str
    found: str


def fill(facts: Facts, metrics: Mapping[str, Any]) -> list[Item]:
    """Every item with what is recorded of it.

    Args:
        facts: Of the model and its data.
        metrics: As in ``metrics.json``.
    """
    found = {**_of_data(facts, metrics), **_of_model(facts, metrics)}
    return [
        Item(guideline, topic, found.get(key, "") or NOT_REPORTED)
        for guideline, topic, key in TOPICS
    ]


# Numbers are TRIPOD+AI's. CLEAR Derm's topics stand here without numbers, in our words.
TOPICS = (
    (CLEAR, "Kind of images", ""),
    (CLEAR, "Image artefacts and quality", ""),
    (CLEAR, "Devices and how images were taken", ""),
    (CLEAR, "Pre-processing", "preprocessing"),
    (CLEAR, "Public images: which sources", "sources"),
    (CLEAR, "Patient-level metadata", "subgroups"),
    (CLEAR, "Skin tone, and how it was assessed", ""),
    (CLEAR, "Partition into training, validation and test", "partition"),
    (CLEAR, "Sample sizes of training, validation and test", "sizes"),
    (CLEAR, "External test set", ""),
    (CLEAR, "Class distribution", "classes"),
    (CLEAR, "Images unlike those of training", ""),
    (CLEAR, "How labels were made, and by whom", ""),
    (CLEAR, "Histopathology of malignant lesions", ""),
    (CLEAR, "Development of the algorithm", "model"),
    (CLEAR, "How others can evaluate the algorithm", "reproduce"),
    (CLEAR, "Performance measures", "measures"),
    (CLEAR, "Comparison with a benchmark", "benchmark"),
    (CLEAR, "Assessment of bias", "subgroups"),
    (CLEAR, "Use cases and target conditions", ""),
    (CLEAR, "Effects on the care team and patients", ""),
    (TRIPOD, "5a Sources of data", "sources"),
    (TRIPOD, "5b Dates of data collection", ""),
    (TRIPOD, "6a Setting: kind, number and place of centres", ""),
    (TRIPOD, "6b Eligibility", "excluded"),
    (TRIPOD, "7 Data preparation and quality checks", "preprocessing"),
    (TRIPOD, "8a Outcome", "outcome"),
    (TRIPOD, "10 Sample size and its justification", ""),
    (TRIPOD, "11 Missing data and omissions", "excluded"),
    (TRIPOD, "12a Use and partition of the data", "partition"),
    (TRIPOD, "12c Type of model and how it was built", "model"),
    (TRIPOD, "12e Measures and plots of performance", "measures"),
    (TRIPOD, "12f Updating, such as recalibration", "calibration"),
    (TRIPOD, "12g How predictions were calculated", "reproduce"),
    (TRIPOD, "13 Class imbalance", "imbalance"),
    (TRIPOD, "14 Fairness", "subgroups"),
    (TRIPOD, "15 Model output, and where thresholds come from", "output"),
    (TRIPOD, "16 Differences of training and evaluation data", ""),
    (TRIPOD, "17 Ethical approval", ""),
    (TRIPOD, "18a Funding", ""),
    (TRIPOD, "18b Conflicts of interest", ""),
    (TRIPOD, "18c Protocol", ""),
    (TRIPOD, "18d Registration", ""),
    (TRIPOD, "18e Availability of data", ""),
    (TRIPOD, "18f Availability of code", "code"),
    (TRIPOD, "19 Patient and public involvement", ""),
    (TRIPOD, "21 Images and events in each analysis", "classes"),
    (TRIPOD, "22 Specification of the full model", "specification"),
    (TRIPOD, "23a Performance with intervals", "performance"),
    (TRIPOD, "26 Limitations", ""),
)


def _of_data(facts: Facts, metrics: Mapping[str, Any]) -> dict[str, str]:
    info = facts.info
    benign, malignant = facts.record.get("classes") or ("", "")
    counts = info.get("counts", {})
    return {
        "preprocessing": _preprocessing(info),
        "sources": ", ".join(
            f"{one['name']} ({one['layout']}, {one['count']:,} images)"
            for one in info.get("sources", ())
        ),
        "partition": _partition(facts),
        "sizes": ", ".join(f"{name} {count:,}" for name, count in sorted(facts.splits.items())),
        "classes": "; ".join(
            f"{split}: " + ", ".join(f"{name} {count:,}" for name, count in of.items())
            for split, of in counts.items()
        )
        or f"{metrics['split']}: {metrics['positives']:,} of {metrics['n']:,} images positive",
        "excluded": _excluded(info),
        "outcome": f"{malignant}, against {benign}" if malignant else "",
    }


def _of_model(facts: Facts, metrics: Mapping[str, Any]) -> dict[str, str]:
    settings, record = facts.settings, facts.record
    loss = settings.get("loss") if isinstance(settings.get("loss"), dict) else {}
    columns = ", ".join(metrics.get("subgroups", {}))
    calibrator = metrics.get("calibrator")
    folder = "the folder of the run it was made from" if "views" in record else "the run's folder"
    # Without a record nobody knows how the model came about.
    trained = bool(record)
    return {
        "subgroups": f"performance by {columns}, with gaps" if columns else "",
        "model": f"{metrics['kind']}; all settings are in the report" if trained else "",
        "reproduce": "config.yaml, versions and command lines are in the report" if trained else "",
        "measures": "discrimination, calibration, clinical utility (net benefit) and counts;"
        " definitions in the program's documentation",
        "benchmark": "always answering benign",
        "calibration": f"{calibrator['method']}, fitted on {calibrator['fitted_on']}"
        if calibrator
        else "none",
        "imbalance": f"loss {loss['name']}, class weight {loss.get('class_weight', 'none')}"
        if loss
        else "",
        "output": f"probability; {metrics['threshold_rule']}: {metrics['threshold']:.4g}",
        "code": f"skinlesion {record['skinlesion']}" if record.get("skinlesion") else "",
        "specification": f"model.json and the weights in {folder}" if facts.model else "",
        "performance": f"in the report, with {metrics['config']['confidence']:.0%} intervals",
    }


def _preprocessing(info: Mapping[str, Any]) -> str:
    settings = info.get("settings", {})
    if not settings:
        return ""
    cleaning = [f"{name} {value}" for name, value in settings.get("cleaning", {}).items()]
    parts = [f"{info.get('image_size')} pixels a side", f"fit {settings.get('fit')}", *cleaning]
    return "stored at " + ", ".join(parts)


def _partition(facts: Facts) -> str:
    if not facts.splits:
        return ""
    learnt = facts.learnt_from_split
    parts = ["recorded image by image in split.csv"]
    if facts.info:
        parts.append("by patient, else lesion, else image")
        parts.append(
            f"left out as they would leak: {counted(len(facts.info.get('dropped', ())), 'image')}"
        )
    if learnt is not None:
        parts.append(f"images of this split in training or validation: {learnt}")
    return "; ".join(parts)


def _excluded(info: Mapping[str, Any]) -> str:
    if not info:
        return ""
    excluded = ", ".join(f"{name} {count:,}" for name, count in info.get("excluded", {}).items())
    return f"excluded diagnoses: {excluded or 'none'}; as leaks: {len(info.get('dropped', ())):,}"
