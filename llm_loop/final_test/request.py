"""What is to be scored on the test rows, by whom, and where."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.sealed import one_line
from llm_loop.errors import ContractError
from llm_loop.runs.environment import run_environment

SCORES = ".scores"
"""The folder of kept scores in sealed_root; no data set can have this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTestRequest:
    """Hold the run that was chosen.

    ``why`` is the one reason, the same for each try of one finish-up, and another for each finish-up: for a reason
    that stands in the record nothing is opened again. ``run_folder`` is the folder of its last attempt, with the
    weights; ``metric`` its selection metric, as on validation; ``sealed_hash`` what its result tells of the sealed
    rows, None for nothing. ``environment`` is laid over that of a run. ``test_command`` None: the shipped trainer
    scores it. ``deadline_s`` is for whoever computes the score.
    """

    run_id: str
    why: str
    run_folder: Path
    metric: str
    sealed_root: Path
    sealed_hash: str | None
    training_python: Path
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path
    workspace: Path
    shell: str
    test_command: str | None
    deadline_s: float

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build it from what the loop wrote. Raises ContractError."""
        try:
            hash_, command, deadline_s = value["sealed_hash"], value["test_command"], float(value["deadline_s"])
            if not (math.isfinite(deadline_s) and deadline_s > 0):
                raise ValueError(f"deadline_s {deadline_s:g} is no number of seconds")
            return cls(
                run_id=_text(value["run_id"]),
                why=one_line(_text(value["why"])),
                run_folder=_folder(value["run_folder"]),
                metric=_text(value["metric"]),
                sealed_root=_folder(value["sealed_root"]),
                sealed_hash=None if hash_ is None else _text(hash_),
                training_python=_folder(value["training_python"]),
                environment={_text(name): _text(one) for name, one in value["environment"].items()},
                cwd=_folder(value["cwd"]),
                workspace=_folder(value["workspace"]),
                shell=_text(value["shell"]),
                test_command=None if command is None else _text(command),
                deadline_s=deadline_s,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ContractError("the request", [f"{type(error).__name__}: {error}"]) from error

    def kept(self, name: str) -> Path:
        """Return the place of a JSON file that belongs to this reason and to no other.

        It lies beside the sealed rows, where no run and no worker looks: a test score is nothing to search by.
        """
        key = hashlib.sha256(self.why.encode()).hexdigest()[:16]
        return self.sealed_root / SCORES / f"{name}_{key}.json"

    def base_environment(self) -> dict[str, str]:
        """Return the environment that the run had; the tag is that of the job."""
        tag = os.environ.get("LLM_LOOP_RUN", "final-test")
        return run_environment(os.environ, self.training_python, self.run_folder, tag) | self.environment


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"a text is wanted, not {value!r:.80}")
    return value


def _folder(value: Any) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError(f"an absolute path is wanted, not {value!r:.80}")
    return path
