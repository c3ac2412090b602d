"""Near-duplicate images: one photograph in several guises, or shots that overlap almost exactly."""

from skinlesion.data.duplicates.features import (
    SIGNATURE_SHAPE,
    has_structure,
    signature,
    signatures,
)
from skinlesion.data.duplicates.search import (
    MIN_SIMILARITY,
    Pairs,
    clusters,
    near_duplicates,
)
from skinlesion.data.symmetry import apply_symmetry

__all__ = [
    "MIN_SIMILARITY",
    "SIGNATURE_SHAPE",
    "Pairs",
    "apply_symmetry",
    "clusters",
    "has_structure",
    "near_duplicates",
    "signature",
    "signatures",
]
