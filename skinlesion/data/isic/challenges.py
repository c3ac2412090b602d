"""The files of the ISIC challenges' classification tasks, and how each year wants to be cited.

Names, licences and citations are those of the challenge's data page (its source is
github.com/ImageMarkup/stade, core/templates/data/<year>.html); folders inside the zips are those
that users of them name. Masks, features and DICOM are left out.
"""

from __future__ import annotations

from typing import NamedTuple


class ChallengeFile(NamedTuple):
    """One file to fetch.

    Attributes:
        split: train, val or test.
        name: In the year's folder on the server.
        folder: Of a zip: where its files are put, which is the folder inside it.
    """

    split: str
    name: str
    folder: str = ""

    @property
    def is_zip(self) -> bool:
        """Whether it is to be unpacked."""
        return bool(self.folder)


class Challenge(NamedTuple):
    """One year.

    Attributes:
        licence: Of its images.
        attribution: Whom to name.
        files: What there is.
    """

    licence: str
    attribution: str
    files: tuple[ChallengeFile, ...]


def _zip(split: str, name: str, folder: str = "") -> ChallengeFile:
    """A zip that holds a folder of its own name, or ``folder``."""
    return ChallengeFile(split, name, folder or name.removesuffix(".zip"))


HAM10000 = (
    "HAM10000 Dataset: (c) by ViDIR Group, Department of Dermatology, Medical University of Vienna;"
    " https://doi.org/10.1038/sdata.2018.161"
)
MSK = (
    "MSK Dataset: (c) Anonymous; https://arxiv.org/abs/1710.05006; https://arxiv.org/abs/1902.03368"
)
BCN_20000 = "BCN_20000 Dataset: (c) Department of Dermatology, Hospital Clínic de Barcelona"

CHALLENGES: dict[int, Challenge] = {
    2016: Challenge(
        "CC-0",
        "Gutman D, Codella NCF, Celebi E, Helba B, Marchetti M, Mishra N, Halpern A. Skin Lesion"
        " Analysis toward Melanoma Detection: A Challenge at the International Symposium on"
        " Biomedical Imaging (ISBI) 2016. arXiv:1605.01397",
        (
            _zip("train", "ISBI2016_ISIC_Part3_Training_Data.zip"),
            ChallengeFile("train", "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"),
            _zip("test", "ISBI2016_ISIC_Part3_Test_Data.zip"),
            ChallengeFile("test", "ISBI2016_ISIC_Part3_Test_GroundTruth.csv"),
        ),
    ),
    2017: Challenge(
        "CC-0",
        "Codella N, Gutman D, Celebi ME, Helba B, Marchetti MA, Dusza S, Kalloo A, Liopyris K,"
        " Mishra N, Kittler H, Halpern A. Skin Lesion Analysis Toward Melanoma Detection: A"
        " Challenge at the 2017 International Symposium on Biomedical Imaging (ISBI), Hosted by the"
        " International Skin Imaging Collaboration (ISIC). arXiv:1710.05006",
        (
            _zip("train", "ISIC-2017_Training_Data.zip"),
            ChallengeFile("train", "ISIC-2017_Training_Part3_GroundTruth.csv"),
            _zip("val", "ISIC-2017_Validation_Data.zip"),
            ChallengeFile("val", "ISIC-2017_Validation_Part3_GroundTruth.csv"),
            _zip("test", "ISIC-2017_Test_v2_Data.zip"),
            ChallengeFile("test", "ISIC-2017_Test_v2_Part3_GroundTruth.csv"),
        ),
    ),
    2018: Challenge(
        "CC-BY-NC",
        f"{HAM10000}\n{MSK}",
        (
            _zip("train", "ISIC2018_Task3_Training_Input.zip"),
            _zip("train", "ISIC2018_Task3_Training_GroundTruth.zip"),
            ChallengeFile("train", "ISIC2018_Task3_Training_LesionGroupings.csv"),
            _zip("val", "ISIC2018_Task3_Validation_Input.zip"),
            _zip("val", "ISIC2018_Task3_Validation_GroundTruth.zip"),
            _zip("test", "ISIC2018_Task3_Test_Input.zip"),
            _zip("test", "ISIC2018_Task3_Test_GroundTruth.zip"),
        ),
    ),
    2019: Challenge(
        "CC-BY-NC",
        f"{BCN_20000}\n{HAM10000}\n{MSK}",
        (
            _zip("train", "ISIC_2019_Training_Input.zip"),
            ChallengeFile("train", "ISIC_2019_Training_GroundTruth.csv"),
            ChallengeFile("train", "ISIC_2019_Training_Metadata.csv"),
            _zip("test", "ISIC_2019_Test_Input.zip"),
            ChallengeFile("test", "ISIC_2019_Test_GroundTruth.csv"),
            ChallengeFile("test", "ISIC_2019_Test_Metadata.csv"),
        ),
    ),
    2020: Challenge(
        "CC-BY-NC",
        "International Skin Imaging Collaboration. SIIM-ISIC 2020 Challenge Dataset."
        " https://doi.org/10.34970/2020-ds01 (2020). The images are from Hospital Clínic de"
        " Barcelona, Medical University of Vienna, Memorial Sloan Kettering Cancer Center, Melanoma"
        " Institute Australia, The University of Queensland, and the University of Athens Medical"
        " School.",
        (
            _zip("train", "ISIC_2020_Training_JPEG.zip", "train"),
            ChallengeFile("train", "ISIC_2020_Training_GroundTruth.csv"),
            ChallengeFile("train", "ISIC_2020_Training_GroundTruth_v2.csv"),
            ChallengeFile("train", "ISIC_2020_Training_Duplicates.csv"),
            # The labels of this test set were never published.
            _zip("test", "ISIC_2020_Test_JPEG.zip", "ISIC_2020_Test_Input"),
            ChallengeFile("test", "ISIC_2020_Test_Metadata.csv"),
        ),
    ),
}
