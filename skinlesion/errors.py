"""What a user can cause and mend: each error is one short block, with its exit code."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 10


class SkinlesionError(Exception):
    """Base of every error that the command line prints as one block instead of a traceback.

    Args:
        what: What happened, one sentence, naming the culprit.
        expected: What was expected instead.
        fix: How to mend it.
        which: The culprits' ids or paths; the first ``MAX_LISTED`` are printed, all are counted.
    """

    exit_code = 2

    def __init__(
        self, what: str, *, expected: str = "", fix: str = "", which: Sequence[object] = ()
    ) -> None:
        super().__init__(what)
        self.what, self.expected, self.fix, self.which = what, expected, fix, list(which)

    def __str__(self) -> str:
        lines = [self.what]
        if self.which:
            listed = ", ".join(str(item) for item in self.which[:MAX_LISTED])
            more = len(self.which) - MAX_LISTED
            lines.append(f"  which:    {listed}" + (f" and {more} more" if more > 0 else ""))
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  fix:      {self.fix}")
        return "\n".join(lines)


class ConfigError(SkinlesionError):
    """The command line or the YAML is wrong."""

    exit_code = 2


class DataError(SkinlesionError):
    """Images, tables or folders are missing, broken or contradictory."""

    exit_code = 3


class IntegrityError(SkinlesionError):
    """A checksum does not match, or data would leak between splits."""

    exit_code = 4


class MissingExtraError(SkinlesionError):
    """An optional package, a weights file or a device is not there."""

    exit_code = 5


class QualityGateError(SkinlesionError):
    """A score is below what ``--fail-under`` or a soup's best member asks for."""

    exit_code = 6


def error_of(exit_code: int) -> type[SkinlesionError] | None:
    """The error that ends a command with ``exit_code``; None: that is a bug's, or a signal's."""
    kinds = (ConfigError, DataError, IntegrityError, MissingExtraError, QualityGateError)
    return next((kind for kind in kinds if kind.exit_code == exit_code), None)
