"""``llm-loop`` that is killed (SIGKILL) at a step of its work, or whose keepers are: ``dying_daemon.py STEP WORDS...``.

A step is a write, an append, a removal, a renaming or a start of a process by the loop itself; before and after each
count as two. With ``keepers`` for STEP the loop lives, and its keepers die at steps of theirs (``dying_keeper.py``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_loop import cli
from llm_loop.system import files, processes

KEEPERS = "keepers"
steps_left = 0


def step() -> None:
    global steps_left
    steps_left -= 1
    if steps_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(act: Callable[..., Any]) -> Callable[..., Any]:
    def acted(*words: Any, **named: Any) -> Any:
        step()
        value = act(*words, **named)
        step()
        return value

    return acted


if __name__ == "__main__":
    if sys.argv[1] == KEEPERS:
        processes._KEEPER = Path(__file__).with_name("dying_keeper.py")
    else:
        steps_left = int(sys.argv[1])
        for name in ("append_line", "replace_bytes", "remove", "set_aside"):
            setattr(files, name, deadly(getattr(files, name)))
        subprocess.Popen.__init__ = deadly(subprocess.Popen.__init__)  # type: ignore[method-assign]
        os.rename = deadly(os.rename)
    sys.exit(cli.main(sys.argv[2:]))
