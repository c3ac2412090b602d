"""The config of download-isic."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from skinlesion.config.section import Positive, Section

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
