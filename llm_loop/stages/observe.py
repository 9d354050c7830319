"""Observe: gather the evidence that worker and mentor are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from llm_loop.config import Config
from llm_loop.contract.observation import Bootstrap, Domain, KnownRun, Observation, OpenTodo, Role
from llm_loop.contract.run import Run, RunState
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.state import LoopState, Plan
from llm_loop.system import files

MAX_BOOTSTRAP_ATTEMPTS = 3
MOST_PARAMS = 500
MOST_PARAMS_CHARACTERS = 20_000  # about 0.1 s of YAML
LATEST_RUNS = 300
BEST_RUNS = 50


def observe(
    role: Role,
    plan: Plan,
    state: LoopState,
    history: Iterable[HistoryRow],
    open_todos: tuple[OpenTodo, ...],
    config: Config,
) -> Observation:
    """Return the observation for one call of this cycle.

    Reads the search space and its base configuration, so that a person's edit counts from the next
    call on; raises ConfigError when one of them does not parse.
    """
    space, base = read_search_space(config)
    rows = shown_rows(list(history), config)
    bootstrap_wanted = config.force_bootstrap_if_idle and not state.bootstrap_successful
    asked_again = role is Role.MENTOR or plan.accepted is not None
    return Observation(
        role=role,
        cycle=plan.cycle,
        cycle_trace_id=plan.cycle_trace_id,
        domain=domain_of(config),
        training_repo_root=str(config.training_repo_root),
        history=tuple(_known(row, config.selection_metric) for row in rows),
        active_runs=tuple(
            _open(run) for run in state.in_state(RunState.RUNNING, RunState.QUEUED, RunState.INTERRUPTED)
        ),
        staged_runs=tuple(_open(run) for run in state.in_state(RunState.STAGED)),
        open_todos=open_todos,
        open_todo_count=len(open_todos),
        bootstrap=Bootstrap(
            label=config.bootstrap_label,
            command=config.bootstrap_command,
            pending=bootstrap_wanted
            and not _bootstrap_is_open(state, config)
            and state.bootstrap_attempts < MAX_BOOTSTRAP_ATTEMPTS,
        ),
        search_space=space,
        base_config=base,
        default_monitor_seconds=config.default_monitor_seconds,
        seed=config.planner_seed,
        refusals=() if asked_again else _refusals(plan),
        proposal=None if plan.accepted is None else plan.accepted["decision"],
        review_reasons=plan.review_reasons,
    )


def shown_rows(rows: list[HistoryRow], config: Config) -> list[HistoryRow]:
    """Return the latest 300 runs and the best 50 before them, oldest first: an observation stays bounded."""
    older, latest = rows[:-LATEST_RUNS], rows[-LATEST_RUNS:]
    ranked = [row for row in older if row.result is not None]
    ranked.sort(key=lambda row: row.result.best_val_score if row.result is not None else 0.0, reverse=True)
    best = {row.run_id for row in ranked[:BEST_RUNS]}
    return [row for row in older if row.run_id in best] + latest


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


def read_search_space(config: Config) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the search space and the configuration it starts from; (None, None) when none is set.

    Raises ConfigError when a named file is missing or does not parse.
    """
    if config.search_space is None:
        return None, None
    space = _yaml_mapping(config.search_space)
    base = space.get("base_config")
    return space, None if base is None else _yaml_mapping(config.workspace_root / str(base).replace("\\", "/"))


def _yaml_mapping(path: Path) -> dict[str, Any]:
    return _parsed(path, files.signature(path))


@lru_cache(maxsize=8)
def _parsed(path: Path, signature: tuple[int, int] | None) -> dict[str, Any]:
    """Parse a file once for as long as its signature stands; the result is only read."""
    try:
        value = yaml.safe_load(files.read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: missing; the search space needs it (key search_space)") from error
    except (OSError, CorruptFileError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2001-99-99
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is wanted")
    return value


def _bootstrap_is_open(state: LoopState, config: Config) -> bool:
    return any(run.label_decided == config.bootstrap_label for run in state.runs.values())


def _refusals(plan: Plan) -> tuple[str, ...]:
    """Return one line for each proposal of this cycle that was refused or unusable."""
    lines = []
    for record in plan.proposals:
        issues = [f"{issue['code']}: {issue['message']}" for issue in record["quality_gate"].get("details", [])]
        lines.append("; ".join([*(record["unusable"] or []), *issues]))
    return tuple(lines)


def _known(row: HistoryRow, metric: str) -> KnownRun:
    result = row.result
    return KnownRun(
        run_id=row.run_id,
        label=row.label,
        state=row.state,
        idea_category=row.idea_category.value,
        cycle=row.cycle,
        proposer=row.proposer,
        value=row.value_of(metric),
        seed=_seed(row.params) if result is None else result.seed,
        params=row.params if result is None or result.params is None else result.params,
        cause=row.cause,
        run_seconds=row.run_seconds,
        stopped_early=result is not None and result.stopped_early,
    )


def _open(run: Run) -> KnownRun:
    params = decided_params(run)
    return KnownRun(
        run_id=run.run_id,
        label=run.label,
        state=run.state.value,
        idea_category=run.decision["idea_category"],
        cycle=run.cycle,
        proposer=run.proposer,
        seed=_seed(params),
        params=params,
    )


def decided_params(run: Run) -> dict[str, Any] | None:
    """Return the flat configuration that a decision carries as a run file; None when it carries none."""
    for file in run.decision["run_files"] or []:
        if file["name"].endswith((".yaml", ".yml", ".json")) and (params := _params_of(file["text"])):
            return dict(params)
    return None


@lru_cache(maxsize=32)
def _params_of(text: str) -> dict[str, Any]:
    """Return what an agent's config file holds, flat; {} for one that is none, or too big to be looked into."""
    if len(text) > MOST_PARAMS_CHARACTERS:
        return {}
    try:
        return flatten(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date such as 2001-99-99
        return {}


def _seed(params: dict[str, Any] | None) -> int | None:
    seed = (params or {}).get("seed")
    return seed if isinstance(seed, int) else None


def flatten(value: Any) -> dict[str, Any]:
    """Return nested mappings as one: dotted key to a plain value; lists and numbers that are not finite are left out.

    Raises ValueError beyond 500 keys: a few aliases of YAML can stand for millions.
    """
    flat: dict[str, Any] = {}
    open_mappings = [("", value)] if isinstance(value, dict) else []
    seen = 0
    while open_mappings:
        prefix, mapping = open_mappings.pop()
        for key, entry in mapping.items():
            if (seen := seen + 1) > MOST_PARAMS:
                raise ValueError(f"more than {MOST_PARAMS} keys")
            if isinstance(entry, dict):
                open_mappings.append((f"{prefix}{key}.", entry))
            elif _is_plain(entry):
                flat[f"{prefix}{key}"] = entry
    return flat


def _is_plain(value: Any) -> bool:
    """Tell whether JSON and a float can hold a value."""
    if isinstance(value, str) or value is None:
        return True
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False
