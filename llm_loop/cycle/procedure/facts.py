"""What a diagnosis and the rules of repair look at: the end of the logs, the command as run, its settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.diagnosis import Cause, Diagnosis
from llm_loop.contract.mend import Phase
from llm_loop.contract.outside_file import read_outside, tail_outside
from llm_loop.contract.run import Run
from llm_loop.contract.trainer_settings import MODULE as TRAINER
from llm_loop.contract.trainer_settings import known_keys
from llm_loop.cycle.context import Context
from llm_loop.errors import CommandError
from llm_loop.repairs.command_change import config_in
from llm_loop.runs.command import choose_shell, direct_words
from llm_loop.runs.progress import is_finite_row, rows_of_file
from llm_loop.stages.diagnose import FailureEvidence
from llm_loop.stages.launch import stderr_log, stdout_log, where_it_runs
from llm_loop.stages.observe import params_in
from llm_loop.stages.record import Outcome
from llm_loop.stages.repair import RunFacts
from llm_loop.system.memory import host_memory
from llm_loop.system.processes import Ending

RUN_DIR = "{run_dir}/"
_TAIL_BYTES = 48_000
_CONFIG_BYTES = 60_000
_NAMES_SOFTWARE = frozenset({Cause.MISSING_MODULE, Cause.UNKNOWN_MODEL, Cause.MODULE_VERSION})


def failure_evidence(context: Context, run: Run, ending: Ending, outcome: Outcome) -> FailureEvidence:
    """Return what the last attempt left behind, as a diagnosis reads it."""
    attempt, memory = run.last_attempt, host_memory()
    return FailureEvidence(
        ending=ending.cause,
        exit_code=ending.exit_code,
        cause=outcome.cause,
        detail=ending.drive_refused or outcome.detail,
        stderr=_end_of(stderr_log(context.paths, attempt)),
        stdout=_end_of(stdout_log(context.paths, attempt)),
        metrics_are_finite=_last_epoch_is_finite(context, run),
        edited_files=edited_files(run),
        platform=sys.platform,
        peak_memory_bytes=ending.peak_memory_bytes,
        host_memory_bytes=None if memory is None else memory.total_bytes,
    )


def edited_files(run: Run) -> tuple[str, ...]:
    """Return the files that the run's decision changed, relative to the training repository."""
    return tuple(entry["path"] for entry in (run.code.change or {}).get("files", ()))


def run_facts(context: Context, run: Run, phase: Phase, diagnosis: Diagnosis) -> RunFacts:
    """Return what the rules of repair look at."""
    config, shell = context.config, choose_shell(context.config.run_shell)
    names_software = diagnosis.cause in _NAMES_SOFTWARE
    return RunFacts(
        phase=phase,
        command=run.command,
        shell=shell,
        params=_params(run, config, shell),
        known_keys=frozenset(known_keys()) if is_our_trainer(run.command, shell) else frozenset(),
        declared=context.declared() if names_software else (),
    )


def is_our_trainer(command: str, shell: str) -> bool:
    """Tell whether a command is one start of the reference trainer and nothing else."""
    try:
        words = direct_words(command, shell) or []
    except CommandError:
        return False
    return ("-m", TRAINER) in pairwise(words)


def config_file(run: Run, config: Config, shell: str) -> tuple[Path | None, str | None]:
    """Return the config file that the command names: its path, or its text where the decision carries it."""
    try:
        named = config_in(run.command, shell)
    except CommandError:
        return None, None
    if named is None:
        return None, None
    if named.value.startswith(RUN_DIR):
        carried = {file["name"]: file["text"] for file in run.decision["run_files"] or ()}
        return None, carried.get(named.value.removeprefix(RUN_DIR))
    return where_it_runs(run, config).cwd / named.value, None


def _params(run: Run, config: Config, shell: str) -> Mapping[str, Any] | None:
    """Return the flat configuration in effect, None where it cannot be read."""
    path, text = config_file(run, config, shell)
    if text is None and path is not None:
        try:
            text = read_outside(path, _CONFIG_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None
    return None if text is None else params_in(text) or None


def _last_epoch_is_finite(context: Context, run: Run) -> bool | None:
    """Tell whether the last epoch that the last attempt reported was of finite numbers; None where it reported none."""
    attempt = run.last_attempt
    rows = rows_of_file(context.paths.attempt(run.run_id, attempt.number) / "metrics.jsonl", _TAIL_BYTES)
    rows = rows or rows_of_file(stdout_log(context.paths, attempt), _TAIL_BYTES)
    return is_finite_row(rows[-1], context.config.selection_metric) if rows else None


def _end_of(log: Path) -> str:
    return tail_outside(log, _TAIL_BYTES).decode("utf-8", "replace")
