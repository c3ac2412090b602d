"""The worst mistakes with their pictures, and what the members of an ensemble said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.config import EvaluateConfig
from skinlesion.metrics.mistakes import Agreement, Mistake, agreement, worst_mistakes
from skinlesion.report.facts import Facts, Member
from skinlesion.report.pages import Picture, Side
from skinlesion.report.subjects import Subject
from skinlesion.report.thumbnails import thumbnail_data_uri

SHOWN = 8  # of each kind, unless the config asks for another number
THUMBNAIL = 160  # pixels a side


@dataclass(frozen=True)
class Pictured:
    """The worst mistakes of a model.

    Attributes:
        false_negatives: Farthest below the threshold first.
        false_positives: Farthest above it first.
        agreement: Of the members of an ensemble; None: there are none, or not all are at hand.
        all_wrong: Ids of the images that every member calls wrongly.
        note: Why pictures are missing.
    """

    false_negatives: Sequence[Picture]
    false_positives: Sequence[Picture]
    agreement: Agreement | None
    all_wrong: Sequence[str]
    note: str


def pictured(
    subject: Subject, facts: Facts, *, threshold: float, config: EvaluateConfig
) -> Pictured:
    """The worst mistakes at ``threshold``.

    Args:
        subject: What was scored.
        facts: Where the pixels, the diagnoses and the members are.
        threshold: Malignant from this probability on.
        config: How many to show.
    """
    test = subject.test
    worst = worst_mistakes(
        test.image_id,
        test.y_true,
        test.y_prob,
        threshold=threshold,
        most=config.mistakes or SHOWN,
    )
    members = _complete(facts.members, test.image_id.tolist())
    ids = [one.image_id for one in (*worst.false_negatives, *worst.false_positives)]
    pixels, diagnoses = facts.pixels(ids), facts.diagnoses(ids)

    def picture(one: Mistake) -> Picture:
        found = pixels.get(one.image_id)
        uri = "" if found is None else thumbnail_data_uri(found, THUMBNAIL)
        text = f"probability {one.y_prob:.3f}"
        if members:
            calls = [one.image_id in _called(member) for member in members]
            text += f"; {sum(calls)} of {len(calls)} members call it positive"
        return Picture([Side(one.image_id, uri, diagnoses.get(one.image_id, ""))], text)

    agreed, all_wrong = _agreement(subject, members)
    missing = sum(image_id not in pixels for image_id in ids)
    note = facts.dataset_note or "These images are not in the data set."
    return Pictured(
        [picture(one) for one in worst.false_negatives],
        [picture(one) for one in worst.false_positives],
        agreed,
        all_wrong,
        note if missing else "",
    )


def _complete(members: Sequence[Member], ids: Sequence[str]) -> list[Member]:
    """The members, if the predictions of all of them are at hand; else none."""
    known = [member for member in members if set(ids) <= set(member.y_prob or ())]
    return known if len(known) == len(members) else []


def _called(member: Member) -> set[str]:
    """Ids of the images that the member calls positive."""
    return {name for name, prob in (member.y_prob or {}).items() if prob >= member.threshold}


def _agreement(
    subject: Subject, members: Sequence[Member]
) -> tuple[Agreement | None, Sequence[str]]:
    if len(members) < 2:
        return None, ()
    ids = subject.test.image_id.tolist()
    y_probs = np.array([[(member.y_prob or {})[name] for name in ids] for member in members])
    thresholds = np.array([member.threshold for member in members])
    found = agreement(subject.test.y_true, y_probs, thresholds=thresholds)
    return found, [ids[row] for row in found.all_wrong]
