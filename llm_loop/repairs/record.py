"""The record of one install: the environment before it, what was planned, and how far it came.

It is on disk before anything changes. Whoever finds a record in the state ``installing`` finds a half-made install:
its undo goes first, before anything uses that environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import ContractError, CorruptFileError
from llm_loop.repairs.environment import Environment
from llm_loop.repairs.plan import Step
from llm_loop.system import files

_MOST_BYTES = 20_000_000


class RecordState(StrEnum):
    """How far an install came."""

    INSTALLING = "installing"
    INSTALLED = "installed"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Hold one install; ``before`` are versions by normal name, ``entries`` the names in the environment's folders.

    ``was_whole``: it came to its end once, so nothing in the environment is half-written.
    """

    state: RecordState
    python: Path
    prefix: Path
    before: Mapping[str, str]
    entries: Mapping[str, tuple[str, ...]]
    steps: tuple[Step, ...]
    was_whole: bool = False

    @classmethod
    def of(cls, environment: Environment, steps: tuple[Step, ...]) -> Self:
        """Return the record of an install that is about to begin."""
        return cls(
            state=RecordState.INSTALLING,
            python=environment.python,
            prefix=environment.prefix,
            before=environment.versions(),
            entries=environment.entries,
            steps=steps,
        )

    def now(self, state: RecordState) -> Self:
        """Return the record in another state."""
        return replace(self, state=state, was_whole=self.was_whole or state is RecordState.INSTALLED)

    def write(self, path: Path) -> None:
        """Put the record on disk, durably. Raises FileWriteError."""
        value = {
            "schema_version": 1,
            "state": self.state.value,
            "python": str(self.python),
            "prefix": str(self.prefix),
            "before": dict(self.before),
            "entries": {place: list(names) for place, names in self.entries.items()},
            "steps": [step.to_json() for step in self.steps],
            "was_whole": self.was_whole,
        }
        files.replace_json(path, value)


def read_record(path: Path) -> Record:
    """Read a record, which lies where a run may write. Raises OSError, CorruptFileError, ContractError."""
    try:
        value = json.loads(read_outside(path, _MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(path, f"not JSON that can be read ({str(error)[:200]})") from error
    try:
        return Record(
            state=RecordState(value["state"]),
            python=Path(value["python"]),
            prefix=Path(value["prefix"]),
            before={str(name): str(version) for name, version in value["before"].items()},
            entries={str(place): tuple(names) for place, names in value["entries"].items()},
            steps=tuple(Step.from_json(one) for one in value["steps"]),
            was_whole=value["was_whole"] is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"the record {path}", [f"{type(error).__name__}: {error}"]) from error


def kept_wheels(path: Path) -> Path:
    """Return the folder beside a record that keeps the wheels of what was replaced."""
    return path.with_name(f"{path.stem}.wheels")


def left_over(path: Path) -> Path:
    """Return the folder beside a record where an undo puts what an interrupted install left behind."""
    return path.with_name(f"{path.stem}.leftovers")
