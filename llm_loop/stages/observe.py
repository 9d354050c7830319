"""Observe: gather the evidence that worker and mentor are shown."""

from __future__ import annotations

from collections.abc import Iterable

from llm_loop.config import Config
from llm_loop.contract.context import FinishUp, Streaks
from llm_loop.contract.observation import Bootstrap, Domain, Observation, OpenTodo, Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import RunState
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.state import LoopState, Plan
from llm_loop.stages.observing.agent_context import Told, gather_context
from llm_loop.stages.observing.known_runs import known_run, open_run, with_withdrawn, withdrawn_run
from llm_loop.stages.observing.run_params import flatten, params_in, params_of_run
from llm_loop.stages.observing.search_space_file import read_search_space

__all__ = ["domain_of", "flatten", "observe", "params_in", "params_of_run", "read_search_space", "withdrawn_run"]

MAX_BOOTSTRAP_ATTEMPTS = 3
_ACTIVE = (RunState.RUNNING, RunState.QUEUED, RunState.REPAIRING, RunState.INTERRUPTED)
NO_STREAKS = Streaks()
ARCHITECTURE, NO_NEW_EVIDENCE = "architecture_alternatives", "no_new_evidence"
"""Notes that the review stage puts among the reasons of a review."""


def observe(
    role: Role,
    plan: Plan,
    state: LoopState,
    history: Iterable[HistoryRow],
    open_todos: tuple[OpenTodo, ...],
    config: Config,
    *,
    paths: WorkspacePaths | None = None,
    index: HistoryIndex | None = None,
    streaks: Streaks = NO_STREAKS,
    finish_up: FinishUp | None = None,
    proposal_code: str | None = None,
    wants_architecture_alternatives: bool = False,
    new_results_since_challenge: int | None = None,
) -> Observation:
    """Return the observation for one call of this cycle.

    ``history`` are the ended runs to be shown, comparable with each other, oldest first, as many as the caller wants
    told; ``index`` is what the whole history adds up to (made from ``history`` when it is not given). ``proposal_code``
    is the diff of the worker's decision when the mentor is asked. ``wants_architecture_alternatives`` and
    ``new_results_since_challenge`` are told to the mentor; the notes among the review's reasons stand in for them.

    Reads the search space and its base configuration, so that a person's edit counts from the next
    call on; raises ConfigError when one of them does not parse. Everything else that it reads, the ends of notes, logs,
    curves and of the journal, may be missing.
    """
    space, base = read_search_space(config)
    paths = paths or WorkspacePaths(config.workspace_root)
    rows = list(history)
    if new_results_since_challenge is None and NO_NEW_EVIDENCE in plan.review_reasons:
        new_results_since_challenge = 0
    told = Told(
        streaks=streaks,
        finish_up=finish_up,
        run_to_mend=plan.repairs,
        wants_architecture_alternatives=wants_architecture_alternatives or ARCHITECTURE in plan.review_reasons,
        new_results_since_challenge=new_results_since_challenge,
    )
    return Observation(
        role=role,
        cycle=plan.cycle,
        cycle_trace_id=plan.cycle_trace_id,
        domain=domain_of(config),
        training_repo_root=str(config.training_repo_root),
        history=with_withdrawn([known_run(row, config.selection_metric) for row in rows], state.queue.withdrawn),
        active_runs=tuple(map(open_run, state.in_state(*_ACTIVE))),
        staged_runs=tuple(open_run(run) for run in state.in_state(RunState.STAGED)),
        open_todos=open_todos,
        open_todo_count=len(open_todos),
        bootstrap=_bootstrap(state, config),
        search_space=space,
        base_config=base,
        default_monitor_seconds=config.default_monitor_seconds,
        seed=config.planner_seed,
        refusals=() if role is Role.MENTOR or plan.accepted is not None else _refusals(plan),
        proposal=None if plan.accepted is None else plan.accepted["decision"],
        proposal_code=proposal_code,
        review_reasons=plan.review_reasons,
        wake_reasons=tuple(f"{wake['run_id'] or 'a person'}: {wake['reason']}" for wake in plan.woken_by),
        context=gather_context(
            role,
            state=state,
            index=index or HistoryIndex(config.selection_metric, config.selection_direction, rows),
            rows=rows,
            open_todos=open_todos,
            config=config,
            paths=paths,
            told=told,
        ),
    )


def domain_of(config: Config) -> Domain:
    """Return what the experiments are about."""
    return Domain(
        images=config.domain_images or "",
        metric_meaning=config.domain_metric or "",
        selection_metric=config.selection_metric,
        selection_direction=config.selection_direction,
        baseline=config.baseline_value,
        target=config.target_value,
    )


def _bootstrap(state: LoopState, config: Config) -> Bootstrap:
    wanted = config.force_bootstrap_if_idle and not state.bootstrap_successful
    is_open = any(run.label_decided == config.bootstrap_label for run in state.runs.values())
    return Bootstrap(
        label=config.bootstrap_label,
        command=config.bootstrap_command,
        pending=wanted and not is_open and state.bootstrap_attempts < MAX_BOOTSTRAP_ATTEMPTS,
    )


def _refusals(plan: Plan) -> tuple[str, ...]:
    """Return one line for each proposal of this cycle that was refused or unusable."""
    lines = []
    for record in plan.proposals:
        issues = [f"{issue['code']}: {issue['message']}" for issue in record["quality_gate"].get("details", [])]
        lines.append("; ".join([*(record["unusable"] or []), *issues]))
    return tuple(lines)
