"""What an agent is shown: one observation for both roles."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract.context import AgentContext, Streaks

__all__ = ["AgentContext", "Bootstrap", "Domain", "KnownRun", "Observation", "OpenTodo", "Role", "Streaks"]

SCHEMA_VERSION = 1


_NO_CONTEXT = AgentContext()


class Role(StrEnum):
    """Who is asked."""

    WORKER = "worker"
    MENTOR = "mentor"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """Hold what the history knows of one run, ended or not.

    ``value`` is the selection metric (None when the run has no result), ``params`` the flat
    resolved configuration, ``state`` one of the run states. ``has_own_code``: it ran other code than the training
    repository's own. Of a run that failed, or is under repair: ``diagnosis`` is why, one of the causes that are told
    apart, ``evidence_line`` the line that says so, ``tried`` what was done about it and what that came to.
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
    has_own_code: bool = False
    diagnosis: str | None = None
    evidence_line: str | None = None
    tried: str | None = None


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

    ``history`` holds ended runs, oldest first; ``active_runs`` those in a slot, under repair or to go
    on; ``staged_runs`` those that wait for one. ``refusals`` are the reasons why earlier proposals of this cycle were
    refused, one line each; ``wake_reasons`` say why the worker is asked although each slot has its next decision.
    ``proposal`` is the worker's decision (JSON form) when the mentor is asked, ``proposal_code`` the
    bounded diff that comes with it, None where no code changes. ``context`` is what a prompt tells beside the runs.
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
    proposal_code: str | None = None
    review_reasons: tuple[str, ...] = ()
    wake_reasons: tuple[str, ...] = ()
    context: AgentContext = _NO_CONTEXT
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, for writing: it shares configurations with the observation instead of copying them."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("domain", "bootstrap", "context"):
            value[name] = asdict(value[name])
        for name in ("history", "active_runs", "staged_runs", "open_todos"):
            value[name] = [_flat(entry) for entry in value[name]]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the observation from its JSON form, which only the loop writes."""
        given = dict(value)
        given["role"] = Role(given["role"])
        given["domain"] = Domain(**given["domain"])
        given["bootstrap"] = Bootstrap(**given["bootstrap"])
        for name in ("history", "active_runs", "staged_runs"):
            given[name] = tuple(KnownRun(**run) for run in given[name])
        given["open_todos"] = tuple(OpenTodo(**todo) for todo in given["open_todos"])
        for name in ("refusals", "review_reasons", "wake_reasons"):
            given[name] = tuple(given.get(name, ()))
        if "context" in given:  # a call in flight since an earlier version has none
            given["context"] = AgentContext.from_json(given["context"])
        return cls(**given)


def _flat(value: KnownRun | OpenTodo) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
