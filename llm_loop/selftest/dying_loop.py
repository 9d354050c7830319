"""``llm-loop`` that dies at a chosen moment: ``python -m llm_loop.selftest.dying_loop MOMENT WORDS...``.

A moment is ``event NAME before|after`` (the journal's line of that kind), ``keeper before|after`` (the start of
a keeper) or ``state before|after`` (the writing of ``state.json``), as one argument. It dies as a killed process
does: nothing is closed, nothing is said.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_loop.system import files, processes

EVENTS = "cycle_opened call_intended proposal run_staged attempt_intended attempt_started attempt_ended run_ended cycle"
MOMENTS = (
    *(f"event {name} {side}" for name in EVENTS.split() for side in ("before", "after")),
    *(f"{what} {side}" for what in ("keeper", "state") for side in ("before", "after")),
)


def die() -> None:
    """End this process at once, as a task manager does."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows any signal is TerminateProcess


def deadly(act: Callable[..., Any], is_meant: Callable[..., bool], side: str) -> Callable[..., Any]:
    """Return ``act`` that kills its process before or after a call that is meant."""

    def acted(*words: Any, **named: Any) -> Any:
        meant = is_meant(*words)
        if meant and side == "before":
            die()
        value = act(*words, **named)
        if meant:
            die()
        return value

    return acted


def arm(moment: str) -> None:
    """Make this process die at ``moment``. Raises ValueError for one that is not known."""
    if moment not in MOMENTS:
        raise ValueError(f"{moment!r} is no moment")
    what, *name, side = moment.split()
    if what == "event":
        files.append_line = deadly(files.append_line, lambda path, line, *_: _is_event(path, line, name[0]), side)
    elif what == "state":
        files.replace_text = deadly(files.replace_text, lambda path, *_: path.name == "state.json", side)
    else:
        platform: Any = vars(processes)["platform"]
        platform.start_detached = deadly(platform.start_detached, lambda *_: True, side)


def _is_event(path: Path, line: str, name: str) -> bool:
    """Tell whether a line that is appended is the journal's of that kind (the last one, where there are several)."""
    if not path.name.startswith("events"):
        return False
    return any(json.loads(one).get("event") == name for one in line.splitlines())


if __name__ == "__main__":
    arm(sys.argv[1])
    sys.argv[1:2] = []
    runpy.run_module("llm_loop", run_name="__main__", alter_sys=True)
