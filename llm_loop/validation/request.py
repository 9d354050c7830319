"""What is to be checked, and the surroundings in which it is checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import ContractError
from llm_loop.runs.environment import run_environment

HIDES_DEVICES = "LLM_LOOP_CHECK_HIDES_DEVICES"
"""Tells the reference trainer's dry run that the loop hides the devices: a missing one is no failure then."""
CHECKED_COMMAND = "LLM_LOOP_CHECKED_COMMAND"
"""Holds the command of the run for a ``validate_command``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Hold a run that waits for its launch.

    ``run_files`` are names and texts, ``python_path`` folders for the front of PYTHONPATH, ``edited`` the files that
    its decision changed, relative to the training repository, ``checkout`` the folder of its checkout. ``memory_bytes``
    is its expected peak. ``deadline_s`` is of the dry run. None is "not known" or "none".
    """

    command: str
    shell: str
    cwd: Path
    run_files: tuple[tuple[str, str], ...]
    train_python: Path
    python_path: tuple[str, ...]
    edited: tuple[str, ...]
    checkout: Path | None
    validate_command: str | None
    min_free_disk_mb: float
    memory_bytes: int | None
    workspace: Path
    deadline_s: float

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build it from what the loop wrote. Raises ContractError."""
        try:
            checkout, memory = value.get("checkout"), value.get("memory_bytes")
            return cls(
                command=_text(value["command"]),
                shell=_text(value["shell"]),
                cwd=Path(value["cwd"]),
                run_files=tuple((_plain_name(one["name"]), _text(one["text"])) for one in value["run_files"] or ()),
                train_python=Path(value["train_python"]),
                python_path=tuple(map(_text, value["python_path"])),
                edited=tuple(map(_text, value["edited"])),
                checkout=None if checkout is None else Path(checkout),
                validate_command=value.get("validate_command"),
                min_free_disk_mb=float(value["min_free_disk_mb"]),
                memory_bytes=None if memory is None else int(memory),
                workspace=Path(value["workspace"]),
                deadline_s=float(value["deadline_s"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ContractError("the request", [f"{type(error).__name__}: {error}"]) from error


def tokens_of(request: CheckRequest, run_dir: Path) -> dict[str, str]:
    """Return what the placeholders of a command stand for while it is checked."""
    return {"run_dir": str(run_dir), "workspace": str(request.workspace)}


def environment_of(request: CheckRequest, run_dir: Path) -> dict[str, str]:
    """Return the environment that the run will get, its devices hidden; the tag is that of the job."""
    tag = os.environ.get("LLM_LOOP_RUN", "check")
    environment = run_environment(os.environ, request.train_python, run_dir, tag)
    if request.python_path:
        environment["PYTHONPATH"] = os.pathsep.join(request.python_path)
    return environment | {"CUDA_VISIBLE_DEVICES": "", HIDES_DEVICES: "1"}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not {value!r:.80}")
    return value


def _plain_name(value: Any) -> str:
    """Return the name of a run's file, which lies in its folder."""
    if not isinstance(value, str) or value in ("", ".", "..") or any(char in value for char in "/\\:\0"):
        raise ValueError(f"{value!r:.80} is no plain file name")
    return value
