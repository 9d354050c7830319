"""What a finished training says of itself: ``result.json``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract import schemas
from llm_loop.errors import ContractError

SCHEMA_VERSION = 1


class Direction(StrEnum):
    """Which way a metric is better."""

    MIN = "min"
    MAX = "max"


def higher_is_better(value: float, direction: Direction) -> float:
    """Turn a metric so that higher is better."""
    return value if direction is Direction.MAX else -value


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Hold a run's result. ``value`` is the selection metric at its best epoch, always finite."""

    metric: str
    direction: Direction
    value: float
    best_val_score: float
    best_epoch: int | None = None
    epochs_run: int | None = None
    n: int | None = None
    split: str = "val"
    seed: int | None = None
    budget: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    stopped_early: bool = False
    trainer_version: str | None = None
    data_hash: str | None = None
    sealed_hash: str | None = None
    score_source: str = "self_reported"
    interval: tuple[float, float] | None = None
    model: str | None = None
    run_seconds: float | None = None
    test_opened: bool = False
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, value: Any, subject: str = "result.json") -> Self:
        """Check ``value`` and build the result.

        Raises ContractError, also when any number is not finite, ``best_val_score`` disagrees with
        value and direction, or the score claims to be recomputed (nobody recomputes one yet).
        """
        if isinstance(value, dict):  # results of before sealed rows had a hash
            value = {"sealed_hash": None} | value
        schemas.check("result", value, subject)
        fields = dict(value)
        fields["direction"] = Direction(fields["direction"])
        broken = not_finite(value)
        turned = higher_is_better(fields["value"], fields["direction"])
        if not broken and not math.isclose(fields["best_val_score"], turned):
            broken.append("best_val_score: disagrees with value and direction")
        if fields["score_source"] != "self_reported":
            broken.append("score_source: a training can only report its own score (self_reported)")
        if fields["interval"] is not None:
            broken += broken_interval(fields["interval"])
            fields["interval"] = tuple(fields["interval"])
        if broken:
            raise ContractError(subject, broken)
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every key of the schema in it."""
        value = asdict(self)
        value["direction"] = self.direction.value
        value["interval"] = None if self.interval is None else list(self.interval)
        return value


def not_finite(value: Any, where: str = "") -> list[str]:
    """Return one line for each number that JSON cannot say or a float cannot hold."""
    if isinstance(value, dict):
        return [line for key, entry in value.items() for line in not_finite(entry, f"{where}.{key}" if where else key)]
    if isinstance(value, list):
        return [line for index, entry in enumerate(value) for line in not_finite(entry, f"{where}.{index}")]
    if not isinstance(value, int | float):
        return []
    try:
        return [] if math.isfinite(value) else [f"{where}: {value} is not finite"]
    except OverflowError:
        return [f"{where}: it has more digits than a number can hold"]


def broken_interval(interval: list[float]) -> list[str]:
    """Return what is wrong with an interval of finite numbers, empty when it is one."""
    if len(interval) != 2 or not interval[0] <= interval[1]:
        return ["interval: two finite numbers, low first, are wanted"]
    return []
