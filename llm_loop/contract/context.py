"""What an agent is shown beside the runs: mission, curves, ranking, signals, notes; each part bounded.

Texts here are as they lie on disk, cut but not cleaned: who shows them to a model cleans and fences them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Movement(StrEnum):
    """Where a curve, or the whole search, is going."""

    TOO_SHORT = "too_short"
    IMPROVING = "improving"
    FLAT = "flat"
    WORSENING = "worsening"
    NOT_FINITE = "not_finite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """Hold the beginning of a role's mission; ``notice`` says what is wrong with the file, or is None."""

    file: str
    text: str = ""
    is_cut: bool = False
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Hold a run's curve of the selection metric in a few numbers.

    ``epochs_seen`` is the last epoch that was reported, ``epochs`` how many are planned. ``is_sampled`` says that only
    the beginning and the end of a long file were looked at, so that ``best`` may be missed in between.
    """

    run_id: str
    is_active: bool
    epochs_seen: int | None = None
    epochs: int | None = None
    first: float | None = None
    best: float | None = None
    best_epoch: int | None = None
    last: float | None = None
    train_loss: float | None = None
    movement: Movement = Movement.TOO_SHORT
    is_sampled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold one configuration's place on the leaderboard; ``run_ids`` are its first few runs.

    ``tied_with_best`` is None when no noise is known; ``sd`` is the spread over ``seeds``.
    """

    rank: int
    label: str
    run_ids: tuple[str, ...]
    value: float
    sd: float | None
    seeds: int
    tied_with_best: bool | None
    model: str | None
    run_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardHead:
    """Hold the first places, and how much was ranked in all."""

    ranked_configs: int = 0
    ranked_runs: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryUse:
    """Say how an idea category paid: ended runs, those that ranked, those that beat the best before them.

    ``gain`` sums these improvements in the metric's unit; ``recent`` counts it among the last 8 ended runs.
    """

    category: str
    tried: int = 0
    ranked: int = 0
    improved: int = 0
    gain: float = 0.0
    best: float | None = None
    recent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Say how the search is going. Waits count nowhere in it; failed runs only in ``consecutive_failures``."""

    movement: Movement = Movement.TOO_SHORT
    runs_without_gain: int = 0
    consecutive_failures: int = 0
    waits_in_a_row: int = 0
    cycles_since_run: int = 0
    best_run_id: str | None = None
    best_value: float | None = None
    last_value: float | None = None
    states: dict[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """Count what happened in a row, up to the last closed cycle.

    ``trainings_in_a_row`` are cycles that launched a run, ``cycles_without_web_search`` those in which neither role
    searched although it was asked of an agent that can, ``unmet_searches`` reviews that had to search and did not,
    ``challenges_in_a_row`` reviews that challenged.
    """

    trainings_in_a_row: int = 0
    cycles_without_web_search: int = 0
    unmet_searches: int = 0
    challenges_in_a_row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Priorities:
    """Hold signals between 0 and 1. They inform; nothing follows from one by itself."""

    research_priority: float = 0.0
    non_training_priority: float = 0.0
    breakout_priority: float = 0.0
    todo_pressure: float = 0.0
    is_drifting: bool = False
    dominant_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """Hold the end of a failed run's output."""

    run_id: str
    file: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """Hold the failed run that the worker is asked to mend: what is known of the failure, and what was tried.

    ``log`` is the end of its output, ``attempted`` the mends so far, ``edited`` the files that its decision changed.
    """

    run_id: str
    label: str
    command: str
    phase: str
    cause: str
    evidence_line: str | None
    what_failed: str | None
    attempted: tuple[str, ...]
    edited: tuple[str, ...]
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUp:
    """Hold the finish-up window: its phase, the minutes and final trainings left, a person's note.

    ``minutes_until_activation`` is how long the search goes on, 0 once the window is open.

    ``training_seconds_left`` is what a training that began now could take, 0 where there is no time for one.
    """

    phase: str
    minutes_left: float | None = None
    minutes_until_activation: float | None = None
    remaining_final_training_rounds: int | None = None
    training_seconds_left: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Hold what the configuration says about how this loop works."""

    worker_name: str = "AI-Builder"
    mentor_name: str = "AI-Mentor"
    interaction_mode: str = "standard"
    max_parallel_runs: int = 1
    max_run_seconds: float | None = None
    forbidden_approaches: tuple[str, ...] = ()
    config_globs: tuple[str, ...] = ()
    can_search_web: bool = False
    must_search_web: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """Hold everything that a prompt tells beside the runs themselves.

    ``has_no_history`` means that no run has a result yet. ``is_rechallenged`` asks for something new: the last run has
    completed and nothing runs or waits. ``to_mend`` is the failed run that this cycle is about, None for any other.
    ``new_results_since_challenge`` is None before the mentor's first challenge.
    ``storyline`` is None unless failures or waits pile up, ``last_log`` unless the last run failed, ``finish_up``
    outside of that window.
    """

    frame: Frame = Frame()
    mission: Mission | None = None
    curves: tuple[Curve, ...] = ()
    leaderboard: LeaderboardHead = LeaderboardHead()
    exploration: tuple[CategoryUse, ...] = ()
    trend: Trend = Trend()
    streaks: Streaks = Streaks()
    priorities: Priorities = Priorities()
    workpad: str = ""
    mentor_notes: str = ""
    storyline: str | None = None
    last_log: LogTail | None = None
    to_mend: FailedRun | None = None
    todo_focus: tuple[str, ...] = ()
    finish_up: FinishUp | None = None
    has_no_history: bool = False
    is_rechallenged: bool = False
    wants_architecture_alternatives: bool = False
    new_results_since_challenge: int | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the context from its JSON form, which only the loop writes. Raises KeyError, TypeError, ValueError."""
        fields = dict(value)
        fields["frame"] = _frame(fields["frame"])
        fields["curves"] = tuple(_moving(Curve, curve) for curve in fields["curves"])
        fields["leaderboard"] = _leaderboard(fields["leaderboard"])
        fields["exploration"] = tuple(CategoryUse(**use) for use in fields["exploration"])
        fields["trend"] = _moving(Trend, fields["trend"])
        fields["streaks"] = Streaks(**fields["streaks"])
        fields["priorities"] = Priorities(**fields["priorities"])
        fields["todo_focus"] = tuple(fields["todo_focus"])
        for name, kind in (("mission", Mission), ("last_log", LogTail), ("finish_up", FinishUp)):
            fields[name] = None if fields[name] is None else kind(**fields[name])
        if (failed := fields.get("to_mend")) is not None:
            lists = {name: tuple(failed[name]) for name in ("attempted", "edited")}
            fields["to_mend"] = FailedRun(**{**failed, **lists})
        return cls(**fields)


def _frame(value: dict[str, Any]) -> Frame:
    lists = {name: tuple(value[name]) for name in ("forbidden_approaches", "config_globs")}
    return Frame(**{**value, **lists})


def _leaderboard(value: dict[str, Any]) -> LeaderboardHead:
    places = tuple(Place(**{**place, "run_ids": tuple(place["run_ids"])}) for place in value["places"])
    return LeaderboardHead(**{**value, "places": places})


def _moving(kind: type[Any], value: dict[str, Any]) -> Any:
    return kind(**{**value, "movement": Movement(value["movement"])})
