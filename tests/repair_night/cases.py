"""The thirty decisions of the night: what each of them runs, how it fails, and what has to come of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DECISIONS = 30
MOST_RETRIES = 3
"""Of a run's validation, and of its execution: as the night's configuration has it."""


class Ends(StrEnum):
    """What has to become of a decision."""

    TRAINED = "trained"
    REPAIRED = "repaired"
    FLAGGED = "flagged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Hold one decision and what is known of it beforehand.

    ``cause``, ``phase`` and ``subject`` are of its first diagnosis; ``mends`` the kinds of mends in their order, those
    that could not be done among them. ``why``, ``failure`` and ``to_do`` are words that a person has to be shown.
    """

    label: str
    command: str
    ends: Ends = Ends.TRAINED
    cause: str | None = None
    phase: str | None = None
    subject: str | None = None
    mends: tuple[str, ...] = ()
    why: str = ""
    failure: str = ""
    to_do: str = ""
    edits: tuple[dict[str, Any], ...] = ()

    def decision(self) -> dict[str, Any]:
        """Return the decision as a worker answers it."""
        return {
            "schema_version": 1,
            "action": "run_command",
            "rationale": f"The night wants to see what becomes of {self.label}.",
            "command": self.command,
            "run_label": self.label,
            "idea_category": "optimization",
            "monitor_seconds": 600,
            "stop_patterns": [],
            "housekeeping": {
                "todo_new": [],
                "notes_update": "",
                "data_exploration_update": "",
                "resolve_shared_todo_ids": [],
            },
            "working_folder": ".",
            "builds_on": [],
            "target_run_id": None,
            "run_files": None,
            "edits": list(self.edits) or None,
            "install_packages": None,
        }


def _edit(new: str) -> tuple[dict[str, Any], ...]:
    return ({"path": "tiny/loss.py", "new_text": new, "old": None, "new": None},)


_LOSS = '"""The loss."""\n{first}\n\ndef squared(error: float) -> float{colon}\n    return error * error\n'
NO_COLON = _edit(_LOSS.format(first="", colon=""))
NO_SUCH_NAME = _edit(_LOSS.format(first="\nfrom tiny.models import huber\n", colon=":"))

REPAIRED = (
    Case(
        label="noise-of-a-package",
        command="python train_with_noise.py --seed 1",
        ends=Ends.REPAIRED,
        cause="missing_module",
        phase="validation",
        subject="noisekit",
        mends=("install_packages",),
    ),
    Case(
        label="views-of-a-source",
        command="python train_with_views.py --seed 2",
        ends=Ends.REPAIRED,
        cause="missing_module",
        phase="execution",
        subject="viewlab",
        mends=("clone_source",),
    ),
    Case(
        label="curves-as-declared",
        command="python train_with_curves.py --seed 3",
        ends=Ends.REPAIRED,
        cause="missing_module",
        phase="execution",
        subject="curve_tools",
        mends=("install_packages",),
    ),
    Case(
        label="wide-model",
        command="python train.py --config configs/wide.yaml",
        ends=Ends.REPAIRED,
        cause="unknown_model",
        phase="execution",
        subject="wide_line",
        mends=("model_fallback",),
    ),
    Case(
        label="large-batch",
        command="python train.py --config configs/large.yaml",
        ends=Ends.REPAIRED,
        cause="host_out_of_memory",
        phase="execution",
        mends=("halve_batch",),
    ),
    Case(
        label="fast-rate",
        command="python train.py --lr 8.0 --epochs 200",
        ends=Ends.REPAIRED,
        cause="divergence",
        phase="execution",
        mends=("lower_learning_rate",),
    ),
    Case(
        label="fast-rate-that-the-loop-ends",
        command="python train.py --lr 8.0 --epochs 12 --pause 0.3",
        ends=Ends.REPAIRED,
        cause="divergence",
        phase="execution",
        mends=("lower_learning_rate",),
    ),
)
FLAGGED = (
    Case(
        label="module-of-nobody",
        command="python train_inhouse.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="validation",
        subject="inhouse_toolbox",
        failure="inhouse_toolbox",
        to_do="auto_repair_module_package_map",
    ),
    Case(
        label="words-that-command",
        command="python train_hostile.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="execution",
        failure="os; rm -rf",
        to_do="nothing is installed for it",
    ),
    Case(
        label="misspelt-module",
        command="python train_typo.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="execution",
        subject="reqeusts",
        failure="reqeusts",
        to_do="none is guessed",
    ),
    Case(
        label="exotic-model",
        command="python train.py --config configs/exotic.yaml",
        ends=Ends.FLAGGED,
        cause="unknown_model",
        phase="execution",
        subject="exotic_line",
        failure="exotic_line",
        to_do="auto_repair_model_fallback_map",
    ),
    Case(
        label="edit-with-a-wrong-import",
        command="python train.py --seed 4",
        ends=Ends.FLAGGED,
        cause="code_error",
        phase="execution",
        failure="cannot import name 'huber'",
        to_do="correct the code",
        edits=NO_SUCH_NAME,
    ),
    Case(
        label="package-of-nowhere",
        command="python train_absent.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="validation",
        subject="absent_kit",
        mends=("install_packages",),
        failure="absent_kit",
        to_do="auto_repair_module_package_map",
    ),
    Case(
        label="half-a-package",
        command="python train_half.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="validation",
        subject="halfkit",
        mends=("install_packages",),
        failure="halfkit.engine",
        to_do="auto_repair_module_package_map",
    ),
    Case(
        label="chain-of-modules",
        command="python train_chain.py",
        ends=Ends.FLAGGED,
        cause="missing_module",
        phase="execution",
        subject="chain_a",
        mends=("install_packages",) * MOST_RETRIES,
        why="retries exceeded",
        failure="chain_d",
        to_do="auto_repair_module_package_map",
    ),
    Case(
        label="unknown-option",
        command="python train.py --warm-up 3",
        ends=Ends.FLAGGED,
        cause="config_key_unknown",
        phase="execution",
        failure="unrecognized arguments: --warm-up",
        to_do="correct the name of the key",
    ),
    Case(
        label="data-of-autumn",
        command="python train.py --data data/autumn",
        ends=Ends.FLAGGED,
        cause="data",
        phase="execution",
        failure="points.csv",
        to_do="put the data where the config says",
    ),
    Case(
        label="end-without-a-word",
        command="python give_up.py",
        ends=Ends.FLAGGED,
        cause="unknown",
        phase="execution",
        failure="exit code 3",
        to_do="read the end of the run's log",
    ),
)
REFUSED = (
    Case(
        label="edit-that-does-not-compile",
        command="python train.py --seed 5",
        ends=Ends.REFUSED,
        failure="does not compile",
        edits=NO_COLON,
    ),
)
FAILING = (*REPAIRED, *FLAGGED, *REFUSED)
PLAIN = tuple(
    Case(label=f"plain-{number}", command=f"python train.py --seed {10 + number}")
    for number in range(DECISIONS - len(FAILING))
)


def the_night() -> list[Case]:
    """Return the decisions in their order, the failing ones among the others."""
    cases = [*FAILING, *PLAIN]
    random.Random(15).shuffle(cases)
    return cases
