"""What of a self-test's loop still lives, found by tag and by identity, and its end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CorruptFileError, LoopError
from llm_loop.system import files, processes

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform

_POLITE_S = 15.0


def trainings(paths: WorkspacePaths) -> list[Path]:
    """Return the folders of all attempts."""
    return sorted(paths.runs.glob("*/attempt-*"))


def held_folders(paths: WorkspacePaths) -> list[Path]:
    """Return every folder in which a keeper was to hold something: attempts, model calls, jobs."""
    return [path.parent for path in sorted(paths.loop.rglob("spec.json"))]


def living(paths: WorkspacePaths) -> dict[int, str]:
    """Return what lives of this workspace, keepers included: pid and what it is."""
    found: dict[int, str] = {}
    for folder in held_folders(paths):
        started = processes.read_started(folder) or {}
        for what, name in (("keeper", "keeper_pid"), ("command", "pid")):
            identity = started.get("identity" if name == "pid" else "keeper_identity")
            _add(found, started.get(name), identity, f"{what} of {folder.name}")
    for folder in trainings(paths):
        found |= of_training(folder)
    for pid in _tagged(tags(paths)):
        found.setdefault(pid, "by its tag")
    return found


def of_training(folder: Path) -> dict[int, str]:
    """Return what lives of one attempt: the training and its grandchild, by what they noted."""
    found: dict[int, str] = {}
    for word, pid, identity in notes_of(folder):
        _add(found, pid, identity, f"{'grandchild' if word == 'child' else 'training'} of {folder.parent.name}")
    return found


def tags(paths: WorkspacePaths) -> set[str]:
    """Return the tags of everything that a keeper was to hold."""
    found = set()
    for folder in held_folders(paths):
        with suppress(OSError, CorruptFileError, AttributeError):
            found.add(files.read_json(folder / "spec.json").get("tag"))
    return {tag for tag in found if isinstance(tag, str) and tag}


def notes_of(folder: Path) -> list[tuple[str, int, str]]:
    """Return what a training noted of itself: word, pid, identity."""
    return [(word, int(pid), identity) for word, _, pid, identity in _notes(folder)]


def places_of(folder: Path) -> list[tuple[str, str]]:
    """Return what a training noted of where it worked: word, working folder."""
    return [(word, place) for word, place, _, _ in _notes(folder)]


def _notes(folder: Path) -> list[list[str]]:
    try:
        lines = (folder / "notes.txt").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [parts for line in lines if len(parts := line.split("\t")) == 4]


def end_everything(paths: WorkspacePaths) -> None:
    """End what is left, politely first, then for good; the daemon is gone already. Raises nothing that it can help."""
    waiting = held_folders(paths)
    for folder in waiting:
        with suppress(OSError):
            (folder / "STOP").touch()
    give_up = time.monotonic() + _POLITE_S
    while waiting and time.monotonic() < give_up:
        waiting = [folder for folder in waiting if not _is_over(folder)]
        time.sleep(0.05 if waiting else 0.0)
    _end_the_rest(paths)


def _end_the_rest(paths: WorkspacePaths) -> None:
    """End what is still there until two looks find nothing: a keeper may have been on its way when its daemon died."""
    quiet, give_up = 0, time.monotonic() + _POLITE_S
    while quiet < 2 and time.monotonic() < give_up:
        left = living(paths)
        for tag in tags(paths) if left else ():
            processes.sweep(tag)
        for pid in left:
            _kill(pid)
        quiet = 0 if left else quiet + 1
        time.sleep(0.15)


def lives(pid: object, identity: object) -> bool:
    """Tell whether a process that was noted still lives; one that has got its number since does not count."""
    return isinstance(pid, int) and isinstance(identity, str) and platform.process_identity(pid) == identity


def _is_over(folder: Path) -> bool:
    """Tell whether no keeper holds a folder any more; none will from then on."""
    try:
        return processes.recover(folder) is not None
    except (LoopError, OSError):
        return False


def _add(found: dict[int, str], pid: object, identity: object, what: str) -> None:
    if isinstance(pid, int) and lives(pid, identity):
        found[pid] = what


def _tagged(tags: set[str]) -> Iterator[int]:
    """Yield the processes that carry one of the tags; on Windows, where nobody can look, none."""
    if sys.platform == "win32":
        return
    wanted = {f"LLM_LOOP_RUN={tag}".encode() for tag in tags}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted.intersection(environment.split(b"\0")) and platform.process_identity(int(entry.name)) is not None:
            yield int(entry.name)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
