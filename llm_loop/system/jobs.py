"""Slow work of our own, done by children: a question and its answer are JSON files, a keeper holds each child.

The daemon's tick must not hash a repository or try a sandbox. It opens a job, goes on ticking, and takes
the answer when it is there. A job changes nothing that matters until its answer was taken, so one whose
daemon died is forgotten: its keeper ends it at its deadline.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError, CorruptFileError, FileWriteError
from llm_loop.system import files
from llm_loop.system.instance_lock import is_held
from llm_loop.system.processes import EndCause, Ending, HeldCommand, Keepers

_GRACE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """Hold what a job came to: its answer, or ``why`` there is none."""

    answer: Mapping[str, Any] | None = None
    why: str | None = None


class Jobs:
    """Open jobs by name, at most one of a name at a time, and take their answers."""

    def __init__(self, keepers: Keepers, root: Path) -> None:
        self._keepers = keepers
        self._root = root
        self._open: dict[str, Path] = {}
        self._failed: dict[str, str] = {}

    def is_open(self, name: str) -> bool:
        """Tell whether a job of that name was opened and its answer not taken yet."""
        return name in self._open or name in self._failed

    def open(self, name: str, module: str, question: Mapping[str, Any], deadline_s: float) -> None:
        """Start ``python -m module FOLDER`` with FOLDER/request.json; what keeps it from starting is its outcome."""
        tag = f"{name}-{secrets.token_hex(4)}"
        folder = self._root / tag
        held = HeldCommand(
            tag=tag,
            argv=(sys.executable, "-X", "utf8", "-m", module, str(folder)),
            cwd=Path(sys.executable).parent,
            stdout=folder / "stdout.txt",
            stderr=folder / "stderr.txt",
            stop_file=folder / "STOP",
            grace_s=_GRACE_S,
            deadline_s=deadline_s,
        )
        try:
            files.replace_json(folder / "request.json", dict(question), durable=False)
            self._keepers.prepare(folder, held)
            self._keepers.start(folder, own_environment(os.environ, tag))
        except (CommandError, FileWriteError) as error:
            self._failed[name] = str(error)
        else:
            self._open[name] = folder

    def take(self, name: str, now_s: float) -> JobOutcome | None:
        """Return what an open job came to, once; None while it works."""
        if name in self._failed:
            return JobOutcome(why=self._failed.pop(name))
        folder = self._open[name]
        try:
            ending = self._keepers.poll(folder, now_s)
        except OSError as error:
            ending = Ending(cause=EndCause.KEEPER_ERROR, detail=str(error))
        if ending is None or is_held(folder / "keeper.lock"):
            return None
        del self._open[name]
        outcome = _outcome(folder, ending)
        _remove(folder)
        return outcome

    def end_all(self) -> None:
        """Ask every open job to end; its keeper sees to it."""
        for folder in self._open.values():
            with suppress(FileWriteError):
                files.replace_text(folder / "STOP", "", durable=False)
        self._open.clear()
        self._failed.clear()

    def forget_old(self) -> None:
        """Remove what jobs of an earlier daemon left, those that still work apart."""
        with suppress(OSError):
            for folder in self._root.iterdir():
                if folder not in self._open.values() and not is_held(folder / "keeper.lock"):
                    _remove(folder)


def own_environment(base: Mapping[str, str], tag: str) -> dict[str, str]:
    """Return the environment of a child of ours: this package importable, UTF-8, one thread, the tag."""
    package_parent = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([package_parent, *filter(None, [base.get("PYTHONPATH")])])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**base, **threads, "PYTHONPATH": search, "PYTHONUTF8": "1", "LLM_LOOP_RUN": tag}


def _outcome(folder: Path, ending: Ending) -> JobOutcome:
    if ending.cause is EndCause.EXITED and ending.exit_code == 0:
        try:
            value = files.read_json(folder / "answer.json")
            if isinstance(value, dict):
                return JobOutcome(answer=value)
            return JobOutcome(why="the answer is no JSON object")
        except (OSError, CorruptFileError) as error:
            return JobOutcome(why=f"no answer: {error}")
    said = ""
    with suppress(OSError):
        said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()[-300:]
    how = f"exit code {ending.exit_code}" if ending.cause is EndCause.EXITED else ending.cause.value
    return JobOutcome(why=f"ended with {how}" + (f": {said.splitlines()[-1]}" if said else ""))


def _remove(folder: Path) -> None:
    """Remove the plain files of a job's folder, and the folder; what cannot go now goes at the next start."""
    with suppress(OSError):
        for file in folder.iterdir():
            if file.is_file() and not file.is_symlink():
                with suppress(FileWriteError):
                    files.remove(file)
        folder.rmdir()
