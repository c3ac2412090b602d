"""skinlesion as a library: a function for every command, with its options and config fields.

Functions return values, raise ``SkinlesionError`` and print nothing unless ``progress=True``.
TensorFlow is imported by the first call that needs it. See docs/api.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skinlesion.api.configs import config_schema, copy_config, read_config
from skinlesion.api.data import (
    audit,
    download_isic,
    estimate_download,
    preprocess,
    preview,
    verify_download,
)
from skinlesion.api.deploy import export, export_web, serve
from skinlesion.api.derived import ensemble, soup, tta
from skinlesion.api.evidence import compare, evaluate
from skinlesion.api.results import Audit, Run, load_run
from skinlesion.api.training import find_lr, finetune, search, train
from skinlesion.api.use import (
    bundle,
    demo,
    doctor,
    explain,
    load_model,
    predict,
    predict_to_file,
)
from skinlesion.api.weights import fetch_weights, import_weights, list_weights, verify_weights
from skinlesion.errors import (
    ConfigError,
    DataError,
    IntegrityError,
    MissingExtraError,
    QualityGateError,
    SkinlesionError,
)

__all__ = [
    "COMMANDS",
    "Audit",
    "ConfigError",
    "DataError",
    "IntegrityError",
    "MissingExtraError",
    "QualityGateError",
    "Run",
    "SkinlesionError",
    "audit",
    "bundle",
    "compare",
    "config_schema",
    "copy_config",
    "demo",
    "doctor",
    "download_isic",
    "ensemble",
    "estimate_download",
    "evaluate",
    "explain",
    "export",
    "export_web",
    "fetch_weights",
    "find_lr",
    "finetune",
    "import_weights",
    "list_weights",
    "load_model",
    "load_run",
    "predict",
    "predict_to_file",
    "preprocess",
    "preview",
    "read_config",
    "search",
    "serve",
    "soup",
    "train",
    "tta",
    "verify_download",
    "verify_weights",
]

# What a command of the command line is called here; a test asks for every one.
COMMANDS: dict[str, Callable[..., Any]] = {
    "download-isic": download_isic,
    "preprocess": preprocess,
    "audit": audit,
    "preview": preview,
    "find-lr": find_lr,
    "train": train,
    "finetune": finetune,
    "search": search,
    "tta": tta,
    "soup": soup,
    "ensemble": ensemble,
    "evaluate": evaluate,
    "compare": compare,
    "bundle": bundle,
    "predict": predict_to_file,
    "export": export,
    "serve": serve,
    "explain": explain,
    "demo": demo,
    "doctor": doctor,
    "config show": read_config,
    "config validate": read_config,
    "config schema": config_schema,
    "config init": copy_config,
    "weights list": list_weights,
    "weights fetch": fetch_weights,
    "weights verify": verify_weights,
    "weights import": import_weights,
}
