"""Classifiers: a table of backbones, how they are built, and which part is trained."""

from skinlesion.models.backbones import BACKBONES, Backbone
from skinlesion.models.building import (
    build_model,
    count_parameters,
    feature_extractor,
    head,
    save_weights,
)
from skinlesion.models.folding import with_folded_norms
from skinlesion.models.freezing import blocks, depths, set_trainable

__all__ = [
    "BACKBONES",
    "Backbone",
    "blocks",
    "build_model",
    "count_parameters",
    "depths",
    "feature_extractor",
    "head",
    "save_weights",
    "set_trainable",
    "with_folded_norms",
]
