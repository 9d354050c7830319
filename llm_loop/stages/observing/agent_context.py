"""Gather what a prompt tells beside the runs."""

from __future__ import annotations

from dataclasses import dataclass

from llm_loop.config import Config
from llm_loop.contract.context import AgentContext, FinishUp, Frame, Streaks
from llm_loop.contract.observation import OpenTodo, Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import RunState
from llm_loop.memory.exploration import category_uses
from llm_loop.memory.history import COMPLETED, HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.leaderboard_head import leaderboard_head
from llm_loop.memory.shared_todo import focus
from llm_loop.memory.signals import can_search_web, priorities_of, trend_of, trouble_is_high
from llm_loop.memory.state import LoopState
from llm_loop.stages.observing.known_curves import known_curves
from llm_loop.stages.observing.missions import mission_of
from llm_loop.stages.observing.tails import (
    MENTOR_NOTES_CHARACTERS,
    STORYLINE_CHARACTERS,
    failed_log,
    run_to_mend,
    tail,
    workpad_tail,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold what only the caller knows: streaks, the run to mend, and what concerns the mentor's next word."""

    streaks: Streaks
    finish_up: FinishUp | None = None
    run_to_mend: str | None = None
    wants_architecture_alternatives: bool = False
    new_results_since_challenge: int | None = None


def gather_context(
    role: Role,
    *,
    state: LoopState,
    index: HistoryIndex,
    rows: list[HistoryRow],
    open_todos: tuple[OpenTodo, ...],
    config: Config,
    paths: WorkspacePaths,
    told: Told,
) -> AgentContext:
    """Return the context of one call. ``rows`` are the runs that are shown; files are read in their tails only."""
    trend = trend_of(index, rows, state)
    frame = frame_of(role, config)
    return AgentContext(
        frame=frame,
        mission=mission_of(role, config),
        curves=known_curves(paths, state, rows, config),
        leaderboard=leaderboard_head(paths.leaderboard_json, rows, config.selection_metric, config.selection_direction),
        exploration=category_uses(index, rows),
        trend=trend,
        streaks=told.streaks,
        priorities=priorities_of(
            told.streaks,
            trend,
            rows,
            open_todo_count=len(open_todos),
            cycles_closed=state.cycles_closed,
            can_search_web=frame.can_search_web,
        ),
        workpad=workpad_tail(paths.workpad),
        mentor_notes=tail(paths.mentor_notes, MENTOR_NOTES_CHARACTERS) if role is Role.WORKER else "",
        storyline=tail(paths.storyline, STORYLINE_CHARACTERS) if trouble_is_high(trend) else None,
        last_log=failed_log(paths, state, rows),
        to_mend=run_to_mend(paths, state.runs.get(told.run_to_mend or "")),
        todo_focus=tuple(todo.id for todo in focus(open_todos)),
        finish_up=told.finish_up,
        has_no_history=index.best is None,
        is_rechallenged=config.rechallenge_on_done and _is_idle_after_success(state, rows),
        wants_architecture_alternatives=told.wants_architecture_alternatives,
        new_results_since_challenge=told.new_results_since_challenge,
    )


def frame_of(role: Role, config: Config) -> Frame:
    """Return what the configuration says about how this loop works, as this role needs it."""
    mode = config.web_search_mode if role is Role.WORKER else config.mentor_web_search_mode
    return Frame(
        worker_name=config.worker_display_name,
        mentor_name=config.mentor_display_name,
        interaction_mode=config.interaction_mode.value,
        max_parallel_runs=config.max_parallel_runs,
        max_run_seconds=config.max_run_seconds,
        forbidden_approaches=config.forbidden_approaches,
        config_globs=config.config_globs,
        can_search_web=can_search_web(mode),
        must_search_web=role is Role.MENTOR and _must_search(config),
    )


def _must_search(config: Config) -> bool:
    """Tell whether a challenge counts only when the review searched; without network it could not."""
    return config.mentor_require_web_search and config.mentor_network_access_enabled


def _is_idle_after_success(state: LoopState, rows: list[HistoryRow]) -> bool:
    """Tell whether the last run completed and nothing runs or waits for a slot."""
    busy = state.in_state(RunState.RUNNING, RunState.QUEUED, RunState.STAGED, RunState.REPAIRING, RunState.INTERRUPTED)
    return bool(rows) and rows[-1].state == COMPLETED and not busy
