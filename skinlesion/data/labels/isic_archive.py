"""The ISIC Archive's tree of diagnoses: class, group, and the diagnoses of the group.

As in ``isic_metadata/diagnosis_hierarchical.py`` of github.com/ImageMarkup/isic-metadata, commit
aba25be, with its spelling: levels 1 to 3 whole; of level 4 what subdivides a common diagnosis.
A deeper level that is not here falls back on the one above, as ``labels.deepest_words`` says.
"""

from __future__ import annotations

from skinlesion.data.labels.words import Kind

# diagnosis_1, diagnosis_2, and what may stand in diagnosis_3.
TREE: tuple[tuple[Kind, str, tuple[str, ...]], ...] = (
    ("benign", "Benign - Other", ()),
    (
        "benign",
        "Benign adnexal epithelial proliferations - Apocrine or Eccrine",
        (
            *("Apocrine tubular adenoma", "Cylindoma", "Cystadenoma", "Fibroadenoma"),
            *("Hidradenoma papilliferum", "Hidradenoma, Apocrine", "Hidradenoma", "Mixed tumor"),
            *("Poroma", "Spiradenoma", "Supernumerary nipple", "Syringocystadenoma papilliferum"),
            *("Syringofibroadenoma", "Syringoma"),
        ),
    ),
    (
        "benign",
        "Benign adnexal epithelial proliferations - Follicular",
        (
            *("Folliculosebaceous cystic hamartoma", "Nevus comedonicus", "Panfolliculoma"),
            *("Pilar sheath acanthoma", "Pilomatricoma", "Proliferating tricholemmal tumor"),
            *("Trichoblastoma", "Trichoepithelioma", "Trichofolliculoma", "Tricholemmoma"),
            *("Tumor of follicular infundibulum", "Warty dyskeratoma"),
        ),
    ),
    (
        "benign",
        "Benign adnexal epithelial proliferations - Sebaceous",
        (
            *("Fibrofolliculoma", "Fordyce spots", "Nevus sebaceus", "Sebaceoma"),
            *("Sebaceous adenoma", "Sebaceous hyperplasia", "Trichodiscoma"),
        ),
    ),
    (
        "benign",
        "Benign epidermal proliferations",
        (
            *("Acantholytic acanthoma", "Clear cell acanthoma", "Epidermal nevus"),
            *("Epidermolytic acanthoma", "Large cell acanthoma", "Lichen planus like keratosis"),
            *("Melanoacanthoma", "Pigmented benign keratosis", "Porokeratosis"),
            *("Seborrheic keratosis", "Solar lentigo"),
        ),
    ),
    (
        "benign",
        "Benign melanocytic proliferations",
        (
            *("Nevus", "Dermal melanocytosis", "Lentiginous melanocytic proliferation"),
            *("Lentigo simplex", "Pigmented epithelioid melanocytoma"),
            "Proliferative nodule in congenital melanocytic nevi without atypia",
        ),
    ),
    (
        "benign",
        "Benign soft tissue proliferations - Adipocytic",
        ("Angiolipoma", "Fibrolipoma", "Lipoma", "Lipomatous nevus"),
    ),
    (
        "benign",
        "Benign soft tissue proliferations - Cartilagenous and ossifying",
        (
            *("Accessory tragus", "Extraskeletal chondroma", "Osteoma cutis"),
            "Subungual osteochodroma",
        ),
    ),
    (
        "benign",
        "Benign soft tissue proliferations - Fibro-histiocytic",
        (
            *("Angiofibroma", "Dermatofibroma", "Fibroepithelial polyp", "Fibroma"),
            *("Giant cell tumor of the tendon sheath", "Juvenile xanthogranuloma"),
            *("Cutaneous Myxoma", "Non-Langerhans histiocytosis", "Reticulohistiocytosis"),
            *("Rosai-Dorfman disease", "Scar"),
        ),
    ),
    (
        "benign",
        "Benign soft tissue proliferations - Muscle tissue or myofibroblastic",
        (
            *("Angioleiomyoma", "Dartoic muscle leiomyoma", "Dermatomyofibroma"),
            *("Nodular Fasciitis", "Piloleiomyoma", "Smooth muscle hamartoma"),
        ),
    ),
    ("benign", "Benign soft tissue proliferations - Myoepithelial", ("Myoepithelioma",)),
    (
        "benign",
        "Benign soft tissue proliferations - Neural",
        (
            *("Granular cell tumor", "Nerve sheath myxoma", "Neurofibroma"),
            *("Plexiform Neurofibroma", "Neuroma", "Perineurioma", "Schwannoma"),
        ),
    ),
    (
        "benign",
        "Benign soft tissue proliferations - Vascular",
        (
            *("Acquired elastotic hemangioma", "Acroangiodermatitis of Mali", "Angiokeratoma"),
            *("Angiolymphoid hyperplasia with eosinophilia", "Arterio-venous malformation"),
            *("Capillary vascular malformation", "Glomangiomyoma", "Glomeruloid hemangioma"),
            *("Glomus tumor", "Hemangioma", "Lymphangioma", "Nevus anemicus"),
            "Noninvoluting congenital hemangioma",
            "Other vascular or lymphatic malformation or hamartoma",
            *("Pyogenic granuloma", "Rapidly involuting congenital hemangioma"),
            *("Telangiectasia", "Vascular spider", "Venous lake", "Venous malformation"),
            "Verrucous hemangioma",
        ),
    ),
    ("benign", "Collision - Only benign proliferations", ()),
    (
        "benign",
        "Cysts",
        (
            *("Comedo", "Digital mucous cyst", "Dilated pore", "Infundibular or epidermal cyst"),
            *("Sebaceous cyst", "Keratinous cyst", "Milium", "Steatocystoma"),
            "Trichilemmal or isthmic-catagen or pilar cyst",
        ),
    ),
    ("benign", "Exogenous", ("Foreign body granuloma", "Tattoo")),
    (
        "benign",
        "Flat melanotic pigmentations - not melanocytic nevus",
        (
            *("Cafe au lait macule or patch", "Ephelis", "Ink-spot lentigo", "Lentigo NOS"),
            "Mucosal melanotic macule",
        ),
    ),
    ("benign", "Hemorrhagic lesions", ("Hemorrhage",)),
    ("benign", "Inflammatory or infectious diseases", ("Verruca", "Molluscum")),
    (
        "benign",
        "Langerhans cell proliferations",
        (
            *("Erdheim Chester disease", "Indeterminate cell histiocytosis"),
            "Langerhans cell histiocytosis",
            "Mixed Langerhans cell histiocytosis and Erdheim Chester disease",
        ),
    ),
    (
        "benign",
        "Mast cell proliferations",
        ("Maculopapular mastocytoma", "Mastocytoma, Solitary or unifocal", "Mastocytosis"),
    ),
    (
        "indeterminate",
        "Indeterminate epidermal proliferations",
        ("Solar or actinic cheilitis", "Solar or actinic keratosis"),
    ),
    (
        "indeterminate",
        "Indeterminate melanocytic proliferations",
        (
            *("Atypical Spitz tumor", "Atypical intraepithelial melanocytic proliferation"),
            *("Atypical melanocytic neoplasm", "Atypical pigmented spindle cell tumor"),
            "Atypical proliferative nodules in congenital melanocytic nevus",
            "Melanocytic tumor of uncertain malignant potential",
            "Superficial atypical melanocytic proliferation of uncertain significance",
        ),
    ),
    ("malignant", "Collision - At least one malignant proliferation", ()),
    (
        "malignant",
        "Lymphocytic proliferations - B-Cell",
        (
            *("EBV positive mucocutaneous ulcer", "Intravascular large B-cell lymphoma"),
            "Lymphocytic proliferation, B-Cell, other",
            "Primary cutaneous follicle center lymphoma",
            "Primary cutaneous large B-Cell lymphoma",
            "Primary cutaneous marginal zone lymphoma",
        ),
    ),
    (
        "malignant",
        "Lymphocytic proliferations - T-Cell/NK",
        (
            *("Adult T-cell leukemia or lymphoma", "Chronic active EBV infection"),
            *("Extranodal T-cell/NK lymphoma", "Lymphocytic proliferation, T-Cell/NK"),
            "Mycosis fungoides",
            "Primary cutaneous CD30+ lymphoproliferative disease",
            "Primary cutaneous CD4+ small or medium T-cell lymphoproliferative disorder",
            "Primary cutaneous peripheral T-cell lymphoma",
            *("Sezary syndrome", "Subcutaneous panniculitis-like T-cell lymphoma"),
        ),
    ),
    (
        "malignant",
        "Malignant adnexal epithelial proliferations - Apocrine or Eccrine",
        (
            "Adenoid cystic carcinoma",
            "Adnexal adenocarcinoma arising in association with spiradenoma, cylindroma, or"
            " spiradenocylindroma",
            *("Apocrine carcinoma", "Digital papillary carcinoma", "Hidradenocarcinoma"),
            *("Malignant mixed tumor", "Microcystic adnexal carcinoma", "Mucinous carcinoma"),
            *("Paget disease", "Porocarcinoma", "Tubular carcinoma"),
        ),
    ),
    (
        "malignant",
        "Malignant adnexal epithelial proliferations - Follicular",
        (
            *("Basal cell carcinoma", "Baso-squamous carcinoma"),
            *("Matrical or pilomatrical carcinoma", "Proliferating trichilemmal carcinoma"),
        ),
    ),
    (
        "malignant",
        "Malignant adnexal epithelial proliferations - Sebaceous",
        ("Sebaceous carcinoma",),
    ),
    (
        "malignant",
        "Malignant epidermal proliferations",
        (
            *("Bowenoid papulosis", "Keratoacanthoma", "Squamous cell carcinoma in situ"),
            *("Squamous cell carcinoma, Invasive", "Squamous cell carcinoma, NOS"),
            "Verrucous carcinoma",
        ),
    ),
    (
        "malignant",
        "Malignant melanocytic proliferations (Melanoma)",
        ("Melanoma Invasive", "Melanoma in situ", "Melanoma metastasis", "Melanoma, NOS"),
    ),
    ("malignant", "Malignant soft tissue proliferations - Adipocytic", ("Liposarcoma",)),
    (
        "malignant",
        "Malignant soft tissue proliferations - Cartilagenous and ossifying",
        ("Extraskeletal osteosarcoma",),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Fibro-histiocytic",
        (
            *("Atypical fibroxanthoma", "Dermatofibrosarcoma protuberans"),
            *("Epithelioid sarcoma", "Fibrosarcoma", "Pleomorphic undifferntiated sarcoma"),
        ),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Muscle tissue or myofibroblastic",
        (
            *("Atypical intradermal smooth muscle tumor", "Leiomyosarcoma, Cutaneous"),
            "Rhabdomyoscaroma, Cutaneous",
        ),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Myoepithelial",
        ("Myoepithelial sarcoma",),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Neural",
        ("Malignant granular cell tumor", "Malignant peripheral nerve sheath tumor"),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Unknown or other histiogenesis",
        ("Ewing sarcoma, Primary cutaenous",),
    ),
    (
        "malignant",
        "Malignant soft tissue proliferations - Vascular",
        (
            *("Angiosarcoma cutaneous", "Hemangioendothelioma", "Kaposi sarcoma"),
            "Malignant glomus tumor",
        ),
    ),
    ("malignant", "Merkel cell proliferation", ("Merkel cell carcinoma",)),
    ("malignant", "Skin metastasis of internal solid cancer - non-hematological", ()),
)

# diagnosis_4, by the diagnosis_3 above it, as "<diagnosis_3>, <subtype>".
SUBTYPES: dict[str, tuple[str, ...]] = {
    "Nevus": (
        *("Acral", "Agminated", "Atypical, Dysplastic, or Clark", "Atypical", "Dysplastic"),
        *("Clark", "BAP-1 deficient", "Balloon cell", "Combined", "Congenital"),
        *("Deep penetrating", "Halo", "Lentiginous", "Meyerson", "NOS, Compound"),
        *("NOS, Dermal", "NOS, Junctional", "Of special anatomic site"),
        *("Recurrent or persistent", "Reed", "Spilus", "Spitz"),
    ),
    "Seborrheic keratosis": ("Clonal",),
    "Actinic keratosis": ("Acantholytic", "Atrophic", "Bowenoid", "Hypertrophic", "Lichenoid"),
    "Basal cell carcinoma": (
        *("Combined subtypes", "Fibroeipthelial", "Infiltrating", "Micronodular", "Nodular"),
        *("Sclerosing or morpheaform", "Superficial"),
    ),
    "Squamous cell carcinoma in situ": ("Bowens disease",),
    "Melanoma Invasive": (
        *("Acral or Acral-lentiginous", "Arising in a congenital nevus"),
        *("Associated with a nevus", "Blue nevus-like", "Desmoplastic", "Heavily pigmented"),
        *("Mucosal", "Neurotropic", "Nevoid", "Nodular"),
        "On chronically sun-exposed skin or lentigo maligna melanoma",
        *("Pigmented spindle cell nevus like", "Recurrent or persistent", "Spitzoid"),
        "Superficial spreading",
    ),
    "Melanoma in situ": (
        *("Acral or acral-lentiginous", "Lentigo maligna type", "Mucosal"),
        *("Recurrent or persistent", "Superficial spreading", "associated with a nevus"),
    ),
}
