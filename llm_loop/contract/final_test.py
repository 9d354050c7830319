"""What the one look at the sealed test rows came to: ``final_test_result.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from llm_loop.contract import schemas
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.request import json_value
from llm_loop.contract.result import broken_interval, not_finite
from llm_loop.errors import ContractError
from llm_loop.system import files

SCHEMA_VERSION = 1
MOST_BYTES = 256_000
MOST_METRICS, LONGEST_NAME = 200, 100
_OF_VALIDATION, _OF_TEST = "val_", "test_"


class ScoreSource(StrEnum):
    """Who computed a score on test rows."""

    TRAINER = "trainer"
    TEST_COMMAND = "test_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTestResult:
    """Hold a run's score on the sealed test rows. The schema says what each field means; all numbers are finite."""

    run_id: str
    metric: str
    value: float
    opened_utc: str
    source: ScoreSource
    interval: tuple[float, float] | None = None
    n: int | None = None
    metrics: Mapping[str, float | None]
    opening: int | None = None
    sealed_hash: str | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, value: Any, subject: str = "final_test_result.json") -> Self:
        """Check ``value`` and build the result.

        Raises ContractError, also for a number that is not finite, a name that is no short printable text, or a value
        that its own metrics contradict.
        """
        schemas.check("final_test", value, subject)
        fields = dict(value) | {"source": ScoreSource(value["source"])}
        broken = not_finite(value) + _broken_names([fields["metric"], *fields["metrics"]])
        if fields["metrics"].get(fields["metric"], fields["value"]) != fields["value"]:
            broken.append(f"value: metrics.{fields['metric']} is another number")
        if fields["interval"] is not None:
            broken += broken_interval(fields["interval"])
            fields["interval"] = tuple(fields["interval"])
        if not _is_moment(fields["opened_utc"]):
            broken.append("opened_utc: no moment in ISO 8601 with a time zone")
        if broken:
            raise ContractError(subject, broken)
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every key of the schema in it."""
        interval = None if self.interval is None else list(self.interval)
        return asdict(self) | {"source": self.source.value, "interval": interval, "metrics": dict(self.metrics)}


def read_final_test(path: Path) -> FinalTestResult:
    """Return the result in a file. Raises FileNotFoundError when there is none, ContractError for another content."""
    try:
        data = read_outside(path, MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContractError(path.name, [f"it cannot be read: {error.strerror or error}"]) from error
    return FinalTestResult.from_json(json_value(data, path.name), path.name)


def write_final_test(path: Path, result: FinalTestResult) -> None:
    """Replace the file, durably. Raises FileWriteError."""
    files.replace_json(path, result.to_json())


def metric_on_test(name: str) -> str:
    """Return what a validation metric is called on test rows: ``val_dice`` is ``test_dice``."""
    return name if name.startswith(_OF_TEST) else _OF_TEST + name.removeprefix(_OF_VALIDATION)


def _broken_names(names: list[str]) -> list[str]:
    if len(names) > MOST_METRICS + 1:
        return [f"metrics: {len(names) - 1} of them; at most {MOST_METRICS} are taken"]
    wrong = [one for one in names if not (one and one.isprintable() and len(one) <= LONGEST_NAME)]
    return [
        f"metrics: {one[:LONGEST_NAME]!r} is no name of at most {LONGEST_NAME} printable characters" for one in wrong
    ]


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
