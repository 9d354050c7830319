"""What still lives in a workspace: a loop, trainings, model calls and jobs, each by the lock that it holds.

A lock ends with its holder, so it is the truth; ``state.json`` is looked at only to tell that it can be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory.state import load
from llm_loop.runs.local import KEEPER_LOCK
from llm_loop.system import files, processes
from llm_loop.system.instance_lock import is_held
from llm_loop.views.untrusted import clean, dict_of, text_of, whole_of
from llm_loop.views.wording import typed

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Hold what was found: who holds the workspace (None: nobody), what else lives, and what could not be looked at."""

    loop: str | None
    alive: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def why_not(self) -> str | None:
        """Say what lives and how to end it; None where nothing does."""
        if self.loop is not None:
            return f"{self.loop} holds this workspace: `{typed('stop')}` ends it; nothing was changed"
        if not self.alive:
            return None
        more = f" and {len(self.alive) - _MOST_NAMED} more" if len(self.alive) > _MOST_NAMED else ""
        how = f"`{typed('start')}` takes over what lives, `{typed('stop')}` ends it then"
        return f"alive without a loop: {', '.join(self.alive[:_MOST_NAMED])}{more}; {how}; nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Hold a folder that a keeper works in, and what it is to people."""

    folder: Path
    what: str


def look(paths: WorkspacePaths) -> Signs:
    """Look at every lock of the workspace; nothing is taken or changed."""
    loop: str | None = None
    alive: list[str] = []
    unknown: list[str] = []
    try:
        if is_held(paths.instance_lock):
            loop = holder(paths)
    except OSError as error:
        unknown.append(f"{paths.instance_lock} cannot be looked at: {error.strerror or error}")
    for held in _held_folders(paths, unknown):
        try:
            if is_held(held.folder / KEEPER_LOCK):
                alive.append(_with_pid(held))
        except OSError as error:
            unknown.append(f"whether {held.what} lives cannot be told: {error.strerror or error}")
    return Signs(loop=loop, alive=tuple(alive), unknown=(*unknown, *_unreadable(paths)))


def settle(paths: WorkspacePaths) -> Signs:
    """Make sure that what has no ending starts no more and has left no process; return what lives after all.

    The caller holds the instance lock. A keeper that was about to begin finds that it may not.
    """
    alive = []
    for held in _held_folders(paths, []):
        folder = held.folder
        if not (folder / "spec.json").exists() or any((folder / name).exists() for name in ("exit.json", "void.json")):
            continue
        try:
            if processes.recover(folder) is None:
                alive.append(_with_pid(held))
        except (OSError, FileWriteError):  # a full disk: its folder goes away, and no keeper begins without one
            continue
    return Signs(loop=None, alive=tuple(alive), unknown=())


def holder(paths: WorkspacePaths) -> str:
    """Name who holds the instance lock: the loop of the heartbeat where that one lives, else another command."""
    try:
        beat = dict_of(files.read_json(paths.heartbeat))
    except (OSError, CorruptFileError):
        beat = {}
    pid, identity = whole_of(beat.get("pid")), text_of(beat.get("identity"), 200)
    if pid is None or identity is None or processes.identity_of(pid) != identity:
        return "a loop that has just started, or another command of llm-loop"
    return f"the loop with pid {pid}"


def _held_folders(paths: WorkspacePaths, unknown: list[str]) -> Iterator[_Held]:
    for run in _folders(paths.runs, unknown):
        for attempt in _folders(run, unknown):
            if attempt.name.startswith("attempt-"):
                name = f"{clean(run.name, 40)}, {clean(attempt.name, 20)}"
                yield _Held(folder=attempt, what=f"the training {name}")
    for root, what in ((paths.calls, "the model call"), (paths.jobs, "the job")):
        for folder in _folders(root, unknown):
            yield _Held(folder=folder, what=f"{what} {clean(folder.name, 60)}")


def _folders(root: Path, unknown: list[str]) -> list[Path]:
    """Return the real folders in one, by name; a link among them is none of the loop's."""
    try:
        with os.scandir(root) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        unknown.append(f"{root} cannot be looked into: {error.strerror or error}")
        return []


def _unreadable(paths: WorkspacePaths) -> list[str]:
    """Say what keeps the state from being read; a missing one is none: the journal makes it anew."""
    try:
        load(paths.state)
    except CorruptFileError as error:
        return [clean(str(error), 300)]
    return []


def _with_pid(held: _Held) -> str:
    started = processes.read_started(held.folder)
    return held.what if started is None else f"{held.what} (pid {started['pid']})"
