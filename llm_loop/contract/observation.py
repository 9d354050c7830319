"""What an agent is shown: one observation for both roles."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

SCHEMA_VERSION = 1


class Role(StrEnum):
    """Who is asked."""

    WORKER = "worker"
    MENTOR = "mentor"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """Hold what the history knows of one run, ended or not.

    ``value`` is the selection metric (None when the run has no result), ``params`` the flat
    resolved configuration, ``state`` one of the run states.
    """

    run_id: str
    label: str
    state: str
    idea_category: str
    cycle: int
    proposer: str
    value: float | None = None
    seed: int | None = None
    params: dict[str, Any] | None = None
    cause: str | None = None
    run_seconds: float | None = None
    stopped_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTodo:
    """Hold one unresolved entry of the shared TODO."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Hold what the experiments are about, from the configuration."""

    images: str
    metric_meaning: str
    selection_metric: str
    selection_direction: str
    baseline: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Hold the first run to make. ``pending`` while it has not succeeded and may still be tried."""

    label: str
    command: str
    pending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Hold the evidence behind one decision or review.

    ``history`` holds ended runs, oldest first; ``active_runs`` those in a slot; ``staged_runs`` those
    that wait for one. ``refusals`` are the reasons why earlier proposals of this cycle were refused,
    one line each. ``proposal`` is the worker's decision (JSON form) when the mentor is asked.
    ``search_space`` is the parsed search space file, ``base_config`` the trainer configuration that
    it starts from; both None where there is none.
    """

    role: Role
    cycle: int
    cycle_trace_id: str
    domain: Domain
    training_repo_root: str
    history: tuple[KnownRun, ...]
    active_runs: tuple[KnownRun, ...]
    staged_runs: tuple[KnownRun, ...]
    open_todos: tuple[OpenTodo, ...]
    open_todo_count: int
    bootstrap: Bootstrap
    search_space: dict[str, Any] | None
    base_config: dict[str, Any] | None
    default_monitor_seconds: int
    seed: int = 0
    refusals: tuple[str, ...] = ()
    proposal: dict[str, Any] | None = None
    review_reasons: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the observation from its JSON form, which only the loop writes."""
        fields = dict(value)
        fields["role"] = Role(fields["role"])
        fields["domain"] = Domain(**fields["domain"])
        fields["bootstrap"] = Bootstrap(**fields["bootstrap"])
        for name in ("history", "active_runs", "staged_runs"):
            fields[name] = tuple(KnownRun(**run) for run in fields[name])
        fields["open_todos"] = tuple(OpenTodo(**todo) for todo in fields["open_todos"])
        for name in ("refusals", "review_reasons"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
