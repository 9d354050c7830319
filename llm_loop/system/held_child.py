"""Hold one child process from a child of the loop: a deadline, a stop file, a bound on what it prints, its whole tree.

For a process that is itself held by a keeper (the child of a model call). It becomes a subreaper (Linux) or
makes a job object (Windows), as the keeper does, so that nothing that the child started outlives it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from llm_loop.errors import CommandError

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform

_LOOK_S = 0.1
_POLITE_S = 0.3


class ChildEnd(StrEnum):
    """How a held child ended: by itself, at its deadline, by the stop file, or because it printed without end."""

    EXITED = "exited"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    TOO_LOUD = "too_loud"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """Hold what ends a child: ``until_s`` in monotonic seconds, a file, the bytes that it may print."""

    until_s: float
    stop_file: Path
    max_output_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnding:
    """Hold how a child ended. ``exit_code`` is a negative signal number on Linux when a signal ended it."""

    end: ChildEnd
    exit_code: int | None


def hold(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: Path,
    stdout: Path,
    stderr: Path,
    limits: ChildLimits,
    meanwhile: Callable[[], None] | None = None,
) -> ChildEnding:
    """Run a program to its end; return how it ended. Its output is added to the files ``stdout`` and ``stderr``.

    ``meanwhile`` is called once while it runs, before the first look at its limits. Nothing of its tree is left when
    this returns. Raises CommandError when it cannot be started.
    """
    tree = platform.ProcessTree()
    try:
        with stdin.open("rb") as given, stdout.open("ab", 0) as out, stderr.open("ab", 0) as err:
            allowed = _size(stdout) + _size(stderr) + limits.max_output_bytes
            tree.start(argv, str(cwd), given, out, err, env)
        if meanwhile is not None:
            meanwhile()
        end = _wait(tree, limits, (stdout, stderr), allowed)
    except OSError as error:
        raise CommandError(f"cannot start {argv[0]} in {cwd}: {error.strerror or error}") from error
    finally:
        tree.end_all()
    return ChildEnding(end=end, exit_code=tree.exit_code())


def _wait(tree: platform.ProcessTree, limits: ChildLimits, outputs: Sequence[Path], allowed: int) -> ChildEnd:
    """Wait for the child's end, or ask it politely to end; whoever called ends what is left."""
    while not tree.wait(max(0.0, min(_LOOK_S, limits.until_s - platform.awake_seconds()))):
        end = _reason(limits, outputs, allowed)
        if end is not None:
            tree.interrupt()
            tree.wait(_POLITE_S)
            return end
    return ChildEnd.EXITED


def _reason(limits: ChildLimits, outputs: Sequence[Path], allowed: int) -> ChildEnd | None:
    if limits.stop_file.exists():
        return ChildEnd.STOPPED
    if platform.awake_seconds() >= limits.until_s:
        return ChildEnd.DEADLINE
    return ChildEnd.TOO_LOUD if sum(map(_size, outputs)) > allowed else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
