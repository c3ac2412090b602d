"""The table of diagnoses: what each is, and other words for it.

Sources: the ISIC Archive's tree (``isic_archive``); HAM10000's seven ``dx`` (Tschandl, Rosendahl
and Kittler 2018, doi:10.1038/sdata.2018.161); the one-hot columns of the ISIC challenges of 2018
and 2019; and the ``diagnosis`` column of ISIC 2020 (Rotemberg et al. 2021,
doi:10.1038/s41597-021-00815-z). A word that is not here is unknown: it is listed, never guessed.
"""

from __future__ import annotations

from skinlesion.data.labels.isic_archive import SUBTYPES, TREE
from skinlesion.data.labels.words import Kind, normalize

# Bare answers: they say the class without saying what the lesion is.
BARE: dict[str, Kind] = {
    "benign": "benign",
    "malignant": "malignant",
    "indeterminate": "indeterminate",
}

COMMON: dict[str, Kind] = {
    "nevus": "benign",
    "seborrheic keratosis": "benign",
    "benign keratosis": "benign",
    "lichenoid keratosis": "benign",
    "lentigo": "benign",
    "solar lentigo": "benign",
    "dermatofibroma": "benign",
    "vascular lesion": "benign",
    "melanoma": "malignant",
    "basal cell carcinoma": "malignant",
    "squamous cell carcinoma": "malignant",
    "merkel cell carcinoma": "malignant",
    # Indeterminate in the archive's tree; ISIC 2018 and 2019 count it among the (pre)cancers.
    "actinic keratosis": "indeterminate",
    # HAM10000's akiec mixes actinic keratosis with Bowen's disease (Tschandl et al. 2018);
    # ISIC 2019 calls 197 of its 327 images carcinoma.
    "actinic keratosis or intraepithelial carcinoma": "indeterminate",
    "atypical melanocytic proliferation": "indeterminate",
}

# Our words for what the sources call otherwise.
_OTHER_WORDS: dict[str, str] = {
    **{"0": "benign", "0.0": "benign", "1": "malignant", "1.0": "malignant"},
    **dict.fromkeys(["nv", "nev", "naevus", "nevi", "naevi", "mole"], "nevus"),
    **dict.fromkeys(["melanocytic nevus", "melanocytic nevi", "melanocytic naevus"], "nevus"),
    **dict.fromkeys(["common nevus", "atypical nevus", "dysplastic nevus"], "nevus"),
    **dict.fromkeys(["spitz nevus", "blue nevus", "congenital nevus", "nevus spilus"], "nevus"),
    **dict.fromkeys(["mel", "malignant melanoma", "melanoma in situ", "melanoma, nos"], "melanoma"),
    **dict.fromkeys(["melanoma invasive", "invasive melanoma", "melanoma metastasis"], "melanoma"),
    **dict.fromkeys(["lentigo maligna", "melanoma nos"], "melanoma"),
    "malignant melanocytic proliferations (melanoma)": "melanoma",
    **dict.fromkeys(["sk", "sek", "seborrhoeic keratosis"], "seborrheic keratosis"),
    **dict.fromkeys(["bkl", "pigmented benign keratosis"], "benign keratosis"),
    **dict.fromkeys(["benign keratosis like lesions"], "benign keratosis"),
    **dict.fromkeys(["lichen planus like keratosis", "lplk"], "lichenoid keratosis"),
    **dict.fromkeys(["lentigo simplex", "lentigo nos", "ink spot lentigo"], "lentigo"),
    "df": "dermatofibroma",
    **dict.fromkeys(["vasc", "vascular", "vascular lesions", "angioma"], "vascular lesion"),
    **dict.fromkeys(["haemangioma", "cherry angioma"], "vascular lesion"),
    "bcc": "basal cell carcinoma",
    **dict.fromkeys(["scc", "squamous cell carcinoma in situ"], "squamous cell carcinoma"),
    **dict.fromkeys(["squamous cell carcinoma, invasive"], "squamous cell carcinoma"),
    **dict.fromkeys(["squamous cell carcinoma, nos"], "squamous cell carcinoma"),
    **dict.fromkeys(["bowen disease", "bowens disease"], "squamous cell carcinoma"),
    **dict.fromkeys(["ak", "ack", "solar keratosis", "actinic keratoses"], "actinic keratosis"),
    "solar or actinic keratosis": "actinic keratosis",
    "akiec": "actinic keratosis or intraepithelial carcinoma",
    "aimp": "atypical melanocytic proliferation",
    "atypical intraepithelial melanocytic proliferation": "atypical melanocytic proliferation",
    "atypical melanocytic neoplasm": "atypical melanocytic proliferation",
    # Words of the archive before its tree of 2024, and of ISIC 2020.
    "acrochordon": "fibroepithelial polyp",
    "angiofibroma or fibrous papule": "angiofibroma",
    "cafe au lait macule": "cafe au lait macule or patch",
    "mucosal melanosis": "mucosal melanotic macule",
}


def _tree_aliases() -> dict[str, str]:
    """Benign vascular lesions have one name, as in HAM10000; a subtype has that of its kind."""
    vascular = {
        normalize(word): "vascular lesion"
        for _, group, names in TREE
        if group == "Benign soft tissue proliferations - Vascular"
        for word in (group, *names)
    }
    subtypes = {
        normalize(f"{name}, {subtype}"): _OTHER_WORDS.get(normalize(name), normalize(name))
        for name, below in SUBTYPES.items()
        for subtype in below
    }
    return {**vascular, **subtypes}


ALIASES: dict[str, str] = {**_tree_aliases(), **_OTHER_WORDS}

# The rest of the tree keeps the archive's words.
DIAGNOSES: dict[str, Kind] = {
    **BARE,
    **COMMON,
    **{
        normalize(word): kind
        for kind, group, names in TREE
        for word in (group, *names)
        if normalize(word) not in ALIASES
    },
}

# Malignant, or not known to be benign, without saying whether it is a melanoma.
PERHAPS_MELANOMA = frozenset(
    {"malignant", "indeterminate", "collision at least one malignant proliferation"}
)


def canonical(word: str) -> str:
    """The diagnosis that ``word`` stands for, else the normalized word itself."""
    plain = normalize(word)
    return ALIASES.get(plain, plain)
