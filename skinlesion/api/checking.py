"""What the command line's parser refuses, refused of a function's arguments, too."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeVar, cast

from skinlesion.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Between:
    """Numbers from ``low`` to ``high``, both included; nan is none of them."""

    low: float
    high: float = math.inf

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Real) and self.low <= float(value) <= self.high

    def __str__(self) -> str:
        at_least = f"at least {self.low:g}"
        return at_least if math.isinf(self.high) else f"{at_least}, at most {self.high:g}"


def checked(**allowed: Sequence[Any] | Between) -> Callable[[F], F]:
    """Let a function raise ConfigError, before it begins, for a value that is not ``allowed``.

    Args:
        allowed: By parameter, the values it may have; its default may be another.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            for name, values in allowed.items():
                value = given.get(name, signature.parameters[name].default)
                if value != signature.parameters[name].default and value not in values:
                    raise ConfigError(f"{name} is {value!r}", expected=_words(values))
            return function(*args, **kwargs)

        return cast(F, call)

    return decorate


def _words(values: Sequence[Any] | Between) -> str:
    return str(values) if isinstance(values, Between) else f"one of {', '.join(map(str, values))}"
