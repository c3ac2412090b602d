"""Packages that only some commands need, each in an extra of pip."""

from __future__ import annotations

from importlib.util import find_spec

from skinlesion.errors import MissingExtraError


def require(extra: str, modules: dict[str, str], *, purpose: str, otherwise: str = "") -> None:
    """Refuse unless all ``modules`` can be imported; none is.

    Args:
        extra: Of this package, which brings them.
        modules: Name on the package index of each, by the name under which it is imported.
        purpose: What needs them, as in "purpose needs Optuna".
        otherwise: What else one can do than install.

    Raises:
        MissingExtraError: If one is not installed; names all that are missing.
    """
    missing = [package for module, package in modules.items() if find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{purpose} needs {' and '.join(missing)}, which {verb} not installed",
            fix=f"pip install 'skinlesion[{extra}]'{otherwise}",
        )
