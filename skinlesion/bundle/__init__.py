"""The model bundle: one file, or folder, that holds all that predicting needs and runs nothing."""

from skinlesion.bundle.container import (
    SUFFIX,
    Bundle,
    default_bundle,
    read_bundle,
    refuse_out,
    write_bundle,
    write_members,
)
from skinlesion.bundle.description import (
    SCHEMA,
    Calibration,
    Combined,
    Conformal,
    Description,
    Interval,
    Member,
    OperatingPoint,
    Preprocessing,
    Scores,
    TrainingData,
    ViewOf,
    WeightsFile,
)
from skinlesion.bundle.graphs import Compared, Graph, GraphFile, GraphFormat, GraphInput
from skinlesion.bundle.tensors import decode_tensors, encode_tensors

__all__ = [
    "SCHEMA",
    "SUFFIX",
    "Bundle",
    "Calibration",
    "Combined",
    "Compared",
    "Conformal",
    "Description",
    "Graph",
    "GraphFile",
    "GraphFormat",
    "GraphInput",
    "Interval",
    "Member",
    "OperatingPoint",
    "Preprocessing",
    "Scores",
    "TrainingData",
    "ViewOf",
    "WeightsFile",
    "decode_tensors",
    "default_bundle",
    "encode_tensors",
    "read_bundle",
    "refuse_out",
    "write_bundle",
    "write_members",
]
