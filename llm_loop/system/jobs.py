"""Slow work of our own, done by children: a question and its answer are JSON files, a keeper holds each child.

The daemon's tick must not hash a repository or try a sandbox. It opens a job, goes on ticking, and takes
the answer when it is there. What a job has done counts once its answer was taken, so one whose daemon died
is forgotten: it is asked to end, and nothing is started before it has, since both may work in one folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError, CorruptFileError, FileWriteError
from llm_loop.system import files, processes
from llm_loop.system.instance_lock import is_held
from llm_loop.system.processes import EndCause, Ending, HeldCommand, Keepers

_GRACE_S = 1.0
_BEYOND_DEADLINE_S = 30.0
"""A keeper ends its job at the deadline; one that has not by then is stuck itself, and not waited for."""
_LEFT_PATIENCE_S = 30.0
_PARTING_S = 1.5
_PARTING_LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """Hold what a job came to: its answer, or ``why`` there is none; ``is_late``: for it took too long."""

    answer: Mapping[str, Any] | None = None
    why: str | None = None
    is_late: bool = False


@dataclass(kw_only=True)
class _Job:
    """Hold one open job; ``give_up_s`` (monotonic) is when it is not waited for any longer, None before the first look.

    ``failed`` is why it could not even start.
    """

    folder: Path
    held: HeldCommand
    deadline_s: float
    is_started: bool = False
    failed: str | None = None
    give_up_s: float | None = None


class Jobs:
    """Open jobs by name, at most one of a name at a time, and take their answers."""

    def __init__(self, keepers: Keepers, root: Path) -> None:
        self._keepers = keepers
        self._root = root
        self._open: dict[str, _Job] = {}
        self._left: list[Path] = []

    def is_open(self, name: str) -> bool:
        """Tell whether a job of that name was opened and its answer not taken yet."""
        return name in self._open

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
        job = self._open[name] = _Job(folder=folder, held=held, deadline_s=deadline_s)
        try:
            files.replace_json(folder / "request.json", dict(question), durable=False)
        except FileWriteError as error:
            job.failed = str(error)
        else:
            self._start(job)

    def _start(self, job: _Job) -> None:
        """Start a job, unless one that an earlier daemon left still works."""
        if self._is_left():
            return
        try:
            self._keepers.prepare(job.folder, job.held)
            self._keepers.start(job.folder, own_environment(os.environ, str(job.held.tag)))
        except (CommandError, FileWriteError) as error:
            job.failed = str(error)
        job.is_started, job.give_up_s = True, None

    def _is_left(self) -> bool:
        self._left = [folder for folder in self._left if is_held(folder / "keeper.lock")]
        return bool(self._left)

    def take(self, name: str, now_s: float) -> JobOutcome | None:
        """Return what an open job came to, once; None while it works. ``now_s`` is monotonic."""
        job = self._open[name]
        outcome = JobOutcome(why=job.failed) if job.failed is not None else self._look(job, now_s)
        if outcome is not None:
            del self._open[name]
            _remove(job.folder)
        return outcome

    def _look(self, job: _Job, now_s: float) -> JobOutcome | None:
        if job.give_up_s is None:
            job.give_up_s = now_s + (job.deadline_s + _BEYOND_DEADLINE_S if job.is_started else _LEFT_PATIENCE_S)
        if not job.is_started:
            is_patient = now_s < job.give_up_s
            self._start(job)
            return None if job.is_started or is_patient else JobOutcome(why="a job of an earlier start does not end")
        try:
            ending = self._keepers.poll(job.folder, now_s)
        except (OSError, FileWriteError) as error:
            ending = Ending(cause=EndCause.KEEPER_ERROR, detail=str(error))
        if ending is not None and not is_held(job.folder / "keeper.lock"):
            return _outcome(job.folder, ending)
        if now_s < job.give_up_s:
            return None
        _ask_to_end(job.folder)
        return JobOutcome(why=f"no answer {_BEYOND_DEADLINE_S:g} s after its deadline", is_late=True)

    def drop(self, name: str) -> None:
        """Ask an open job to end, and forget it; nothing is started before it has ended."""
        job = self._open.pop(name, None)
        if job is not None and job.is_started and job.failed is None:
            _ask_to_end(job.folder)
            self._left.append(job.folder)

    def end_all(self) -> None:
        """Ask every open job to end, and wait a moment until they have; else their keepers see to it."""
        working = [job.folder for job in self._open.values() if job.is_started and job.failed is None]
        for folder in working:
            _ask_to_end(folder)
        self._open.clear()
        give_up_s = time.monotonic() + _PARTING_S
        while working and (now_s := time.monotonic()) < give_up_s:
            for folder in [folder for folder in working if not self._works(folder, now_s)]:
                working.remove(folder)
                _remove(folder)
            time.sleep(_PARTING_LOOK_S if working else 0)

    def _works(self, folder: Path, now_s: float) -> bool:
        try:
            return self._keepers.poll(folder, now_s) is None or is_held(folder / "keeper.lock")
        except (OSError, FileWriteError):
            return False

    def forget_old(self) -> None:
        """Remove what jobs of an earlier daemon left; those that still work are asked to end."""
        with suppress(OSError):
            for folder in self._root.iterdir():
                try:
                    is_over = processes.recover(folder) is not None
                except (OSError, FileWriteError):  # it is looked at again at the next start
                    continue
                if is_over:
                    _remove(folder)
                else:
                    _ask_to_end(folder)
                    self._left.append(folder)


def own_environment(base: Mapping[str, str], tag: str) -> dict[str, str]:
    """Return the environment of a child of ours: this package importable, UTF-8, one thread, the tag."""
    package_parent = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([package_parent, *filter(None, [base.get("PYTHONPATH")])])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**base, **threads, "PYTHONPATH": search, "PYTHONUTF8": "1", "LLM_LOOP_RUN": tag}


def _ask_to_end(folder: Path) -> None:
    with suppress(FileWriteError):
        files.replace_text(folder / "STOP", "", durable=False)


def _outcome(folder: Path, ending: Ending) -> JobOutcome:
    if ending.cause is EndCause.EXITED and ending.exit_code == 0:
        try:
            value = files.read_json(folder / "answer.json")
            if isinstance(value, dict):
                return JobOutcome(answer=value)
            return JobOutcome(why="the answer is no JSON object")
        except (OSError, CorruptFileError) as error:
            return JobOutcome(why=f"no answer: {error}")
    said = ending.detail or ""
    with suppress(OSError):
        said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()[-300:] or said
    how = f"exit code {ending.exit_code}" if ending.cause is EndCause.EXITED else ending.cause.value
    why = f"ended with {how}" + (f": {said.splitlines()[-1]}" if said else "")
    return JobOutcome(why=why, is_late=ending.cause is EndCause.DEADLINE)


def _remove(folder: Path) -> None:
    """Remove a job's folder with what its child left in it; what cannot go now goes at the next start."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_file() and not entry.is_symlink():
                with suppress(FileWriteError):
                    files.remove(entry)
            elif entry.is_dir() and not entry.is_symlink():  # of a child that was ended hard; no link is followed
                shutil.rmtree(entry, ignore_errors=True)
        folder.rmdir()
