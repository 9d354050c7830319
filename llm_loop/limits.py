"""What ends the loop by itself: cycles, minutes, a target, convergence."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

from llm_loop.config import Config
from llm_loop.contract.result import Direction
from llm_loop.errors import ConfigError
from llm_loop.memory.history_index import BestValue, HistoryIndex

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_UNTIL = re.compile(r"^\s*([A-Za-z_][\w.]*)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Hold a condition on a run's metric, such as ``val_log_loss<=0.09``."""

    metric: str
    comparison: str
    value: float

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.value:g}"

    def met_by(self, index: HistoryIndex) -> BestValue | None:
        """Return the run that meets the condition by most, or None."""
        found = index.extremes.get(self.metric)
        if found is None:
            return None
        end = found.low if self.comparison in ("<", "<=") else found.high
        return end if _COMPARISONS[self.comparison](end.value, self.value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold what a start was given; None means no end by it."""

    cycles: int | None = None
    run_minutes: float | None = None
    until: Target | None = None


def parse_until(text: str) -> Target:
    """Read ``METRIC<=NUMBER`` (also >=, <, >). Raises ConfigError."""
    match = _UNTIL.match(text)
    try:
        if match is None:
            raise ValueError
        return Target(metric=match[1], comparison=match[2], value=float(match[3]))
    except ValueError:
        message = f'--until: {text!r} is no condition; write a metric, <= or >=, and a number: "val_log_loss<=0.09"'
        raise ConfigError(message) from None


def target_of(config: Config) -> Target | None:
    """Return the configured target of the selection metric, or None."""
    if config.target_value is None:
        return None
    comparison = "<=" if config.selection_direction is Direction.MIN else ">="
    return Target(metric=config.selection_metric, comparison=comparison, value=config.target_value)


def convergence_reason(rows_since_start: int, runs_without_gain: int, config: Config) -> str | None:
    """Return why the search has converged, or None. Only runs of this start count."""
    wanted = config.convergence_cycles
    if wanted is None or min(rows_since_start, runs_without_gain) < wanted:
        return None
    return f"converged: {wanted} runs without a gain above {config.convergence_threshold:g}"
