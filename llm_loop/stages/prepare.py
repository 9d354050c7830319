"""Prepare: turn an accepted decision into a run with an id, a unique label and effective limits.

The decision itself is kept as made; what the loop changed stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.decision import Decision
from llm_loop.contract.run import Run, RunCode, RunState

MIN_MONITOR_SECONDS = 15
MAX_LABEL_LENGTH = 60
IN_PLACE = RunCode()


def prepare(
    decision: Decision,
    *,
    run_number: int,
    cycle: int,
    cycle_trace_id: str,
    proposer: str,
    label_is_taken: Callable[[str], bool],
    config: Config,
    cycle_record: dict[str, Any],
    code: RunCode = IN_PLACE,
) -> Run:
    """Return the staged run of a ``run_command`` decision."""
    return Run(
        run_id=f"R{run_number:04d}",
        label=unique_label(decision.run_label, label_is_taken),
        label_decided=decision.run_label,
        cycle=cycle,
        cycle_trace_id=cycle_trace_id,
        state=RunState.STAGED,
        decision=decision.to_json(),
        proposer=proposer,
        monitor_seconds=max(MIN_MONITOR_SECONDS, min(decision.monitor_seconds, config.max_monitor_seconds)),
        experiment=experiment_key(decision, code),
        staged_seq=0,
        cycle_record=cycle_record,
        code=code,
    )


def unique_label(decided: str, is_taken: Callable[[str], bool]) -> str:
    """Return a label that is a file name everywhere and was not used before.

    Letters, digits, ``-`` and ``_`` stay, others become ``-``; a taken label gets ``-2``, ``-3``, ...
    """
    plain = re.sub(r"[^\w.-]+", "-", decided, flags=re.UNICODE).strip("-. ") or "run"
    plain = plain[:MAX_LABEL_LENGTH].rstrip("-. ")
    label, number = plain, 2
    while is_taken(label):
        label, number = f"{plain}-{number}", number + 1
    return label


def experiment_key(decision: Decision, code: RunCode = IN_PLACE) -> str:
    """Return a hash of what would be run: two decisions with the same key are the same experiment.

    Code that was changed in a checkout counts; the repository's own is as it is for everybody.
    """
    value = decision.to_json()
    parts = {name: value[name] for name in ("command", "working_folder", "run_files", "edits", "install_packages")}
    if code.version is not None:
        parts["code_version"] = code.version
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
