"""One parameter of a search space: its range, and the map between its values and 0..1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from llm_loop.contract.decision import IdeaCategory

Scalar = str | int | float | bool | None
SIGNIFICANT_DIGITS = 4


class ParameterType(StrEnum):
    """What values a parameter takes."""

    FLOAT = "float"
    INT = "int"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Hold one parameter. ``low`` and ``high`` are inclusive; ``choices`` belongs to categorical ones.

    ``when`` maps dotted keys to the values under which the parameter counts; empty means always.
    """

    name: str
    type: ParameterType
    category: IdeaCategory
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def accepts(self, value: Any) -> bool:
        """Tell whether ``value`` lies in the parameter's range."""
        if self.type is ParameterType.CATEGORICAL:
            return any(same_scalar(value, choice) for choice in self.choices)
        if not is_number(value):
            return False
        whole = self.type is ParameterType.FLOAT or float(value).is_integer()
        return whole and self.low <= value <= self.high

    def normalised(self, value: Any) -> Scalar:
        """Return an accepted value in the parameter's own type, such as 1.0 for 1."""
        if self.type is ParameterType.CATEGORICAL:
            return next(choice for choice in self.choices if same_scalar(value, choice))
        return float(value) if self.type is ParameterType.FLOAT else int(value)

    def to_unit(self, value: Any) -> float:
        """Map an accepted value to 0..1, along the logarithm where ``log`` is set."""
        if self.type is ParameterType.CATEGORICAL:
            place = next(i for i, choice in enumerate(self.choices) if same_scalar(value, choice))
            return (place + 0.5) / len(self.choices)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (float(value) - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> Scalar:
        """Map 0..1 to a value, rounded to a few digits so that people can read it."""
        if self.type is ParameterType.CATEGORICAL:
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        if self.log:
            return self.rounded(self.low * (self.high / self.low) ** unit)
        return self.rounded(self.low + unit * (self.high - self.low))

    def rounded(self, value: Any) -> Scalar:
        """Round a number to what the parameter can take: a whole one, or four significant digits."""
        if self.type is ParameterType.CATEGORICAL:
            return self.normalised(value)
        clamped: float = min(max(float(value), self.low), self.high)
        if self.type is ParameterType.INT:
            return round(clamped)
        short = float(f"{clamped:.{SIGNIFICANT_DIGITS}g}")
        return float(min(max(short, self.low), self.high))


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def same_scalar(one: Any, other: Any) -> bool:
    """Compare two scalars; 1 equals 1.0, but True does not equal 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
