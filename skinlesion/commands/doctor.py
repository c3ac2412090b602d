"""doctor: what this machine and installation have, and whether they compute, for a bug report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion import runtime
from skinlesion.errors import SkinlesionError
from skinlesion.pretrained import inventory
from skinlesion.runs import environment
from skinlesion.wording import counted

SIZE, BATCH = 64, 8
# From so many seconds on, and so many times the processor's own, the self-test was kept waiting.
SLOW, WAITING = 15, 2
SETTINGS = ("KERAS_HOME", "SKINLESION_OFFLINE", "CUDA_VISIBLE_DEVICES", "NO_COLOR")
PREFIXES = ("TF_CPP_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_XLA_", "OMP_")


def run() -> dict[str, Any]:
    """Everything in one nested dictionary; ``checks`` says what works.

    Takes about 10 seconds of processor, most of them TensorFlow's start; on a busy machine more
    time, which ``load`` and each check's ``processor_seconds`` tell from a slow one.
    """
    return {
        **{name: value for name, value in environment().items() if name != "command"},
        "machine": _machine(),
        "settings": _settings(),
        "extras": _extras(),
        "weights": {row["backbone"]: row["state"] for row in inventory()},
        "checks": list(_checks()),
    }


def is_well(report: dict[str, Any]) -> bool:
    """Whether every check of a report passed."""
    return all(check["ok"] for check in report["checks"])


def to_text(report: dict[str, Any]) -> str:
    """The report as lines that can be pasted."""
    lines = []
    for name, value in report.items():
        if name == "checks":
            lines += _check_lines(value)
        elif isinstance(value, dict):
            lines.append(f"{name}:" if value else f"{name}: none")
            lines += [f"  {key}: {item}" for key, item in value.items()]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _check_lines(checks: list[dict[str, Any]]) -> list[str]:
    """A line a check, their sum, and that the machine was busy where it kept them waiting."""
    lines = [
        f"{'ok' if check['ok'] else 'FAILED':<8}{check['check']}"
        f" ({check['seconds']:.1f} s){'' if check['ok'] else ': ' + check['error']}"
        for check in checks
    ]
    passed = sum(check["ok"] for check in checks)
    total = sum(check["seconds"] for check in checks)
    computed = sum(check["processor_seconds"] for check in checks)
    lines.append(
        f"{passed} of {counted(len(checks), 'check')} passed in {total:.1f} s,"
        f" {computed:.1f} s of processor"
    )
    if total > max(SLOW, WAITING * computed):
        lines.append("mostly waited for the processor or the disk: is the machine busy?")
    return lines


def _machine() -> dict[str, Any]:
    free = shutil.disk_usage(Path.cwd()).free
    known = {"processor": _processor(), "cores": os.cpu_count()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        known["memory"] = f"{memory / 2**30:.1f} GiB"
    if hasattr(os, "getloadavg"):
        known["load"] = f"{os.getloadavg()[0]:.1f}"
    return {**known, "free disk here": f"{free / 2**30:.1f} GiB"}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.M) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _settings() -> dict[str, str]:
    """Environment variables that change what we do; none that could hold a secret."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name in SETTINGS or name.startswith(PREFIXES)
    }


def _extras() -> dict[str, str]:
    """By extra: installed, or what is missing."""
    missing: dict[str, list[str]] = {}
    for requirement in metadata.requires("skinlesion") or []:
        name, _, marker = requirement.partition(";")
        found = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        # tensorflow[and-cuda]: what the brackets add cannot be asked for.
        if found and "[" not in name:
            package = re.match(r"[\w.-]+", name.strip())
            absent = missing.setdefault(found[1], [])
            if package and not _is_installed(package[0]):
                absent.append(package[0])
    return {
        extra: f"missing {', '.join(absent)}; pip install 'skinlesion[{extra}]'"
        if absent
        else "installed"
        for extra, absent in sorted(missing.items())
    }


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _checks() -> Iterator[dict[str, Any]]:
    """Each check with its time; one that fails does not stop the others."""
    made: dict[str, Any] = {}
    checks: list[tuple[str, Callable[[dict[str, Any]], str | None]]] = [
        ("a folder can be written", _write),
        ("TensorFlow starts", _start),
        ("EfficientNet-Lite0 is built from its ImageNet weights", _build),
        ("a prediction is finite, and the same twice", _predict),
        ("a step of training lowers the loss", _train),
    ]
    for name, check in checks:
        started, computed = time.perf_counter(), time.process_time()
        error, note = "", None
        try:
            note = check(made)
        except (SkinlesionError, OSError, RuntimeError, ValueError, KeyError) as caught:
            error = " ".join(str(caught).split()) or type(caught).__name__
        yield {
            "check": f"{name}: {note}" if note else name,
            "ok": not error,
            "error": error,
            "seconds": round(time.perf_counter() - started, 2),
            "processor_seconds": round(time.process_time() - computed, 2),
        }


def _write(made: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".skinlesion-doctor-") as folder:
        (Path(folder) / "file").write_text("content")


def _start(made: dict[str, Any]) -> str:
    runtime.prepare(seed=0)
    return ", ".join(runtime.devices())


def _build(made: dict[str, Any]) -> None:
    from skinlesion.models import build_model

    made["model"] = build_model(
        "efficientnet_lite0", image_size=SIZE, weights="imagenet", dropout=0.0
    )


def _predict(made: dict[str, Any]) -> None:
    from skinlesion.data.synthetic.folder import draw_image
    from skinlesion.training.predict import forward

    drawn = [draw_image(i % 2, index=i, seed=0, size=SIZE).image for i in range(BATCH)]
    made["pixels"] = np.stack(drawn).astype(np.float32)
    call = forward(made["model"])
    once, again = (np.asarray(call(made["pixels"])) for _ in range(2))
    if not np.isfinite(once).all() or (once != again).any():
        raise RuntimeError("two passes over the same images differ, or are no numbers")


def _train(made: dict[str, Any]) -> None:
    from skinlesion.training.doctor import loss_before_and_after

    before, after = loss_before_and_after(made["model"], made["pixels"])
    if not after < before:
        raise RuntimeError(f"the loss went from {before} to {after}")
