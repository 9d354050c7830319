"""``keeper.py`` that is killed (SIGKILL) at one step of its work, in some of the folders it is given.

In which, and before which step, follows from ``keepers_die.txt`` of the workspace (SEED SHARE) and the folder's place;
each death is noted in ``deaths.txt``. A step is whatever the keeper asks of the system that others can see: to open,
lock, write or rename a file of the loop, to flush one, to start a process or to end one.
"""

from __future__ import annotations

import os
import random
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEEPER = Path(__file__).resolve().parents[2] / "llm_loop" / "system" / "keeper.py"
SETTINGS, DEATHS = "keepers_die.txt", "deaths.txt"
MOST_STEPS = 16
_STEPS = frozenset({"open", "os.rename", "os.kill", "os.killpg", "subprocess.Popen", "fcntl.fcntl"})


class Death:
    """Count steps, and die before the last one."""

    def __init__(self, folder: Path, root: Path, steps: int) -> None:
        self._folder, self._root, self._left = folder, root, steps
        self._pid = os.getpid()

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event in _STEPS and (event != "open" or str(given[0]).startswith(str(self._root))):
            self.step(event)

    def step(self, what: str) -> None:
        self._left -= 1
        if self._left == 0 and os.getpid() == self._pid:  # a child that was forked counts for itself
            line = f"{self._folder.relative_to(self._root)}\t{what}\n".encode()
            note = os.open(self._root / DEATHS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(note, line)
            os.kill(self._pid, signal.SIGKILL)

    def before(self, act: Callable[..., Any], what: str) -> Callable[..., Any]:
        def acted(*words: Any) -> Any:
            self.step(what)
            return act(*words)

        return acted


def main(folder: Path) -> None:
    root = next(parent for parent in folder.parents if (parent / SETTINGS).exists())
    seed, share = (root / SETTINGS).read_text(encoding="utf-8").split()
    rng = random.Random(f"{seed} {folder.relative_to(root)}")
    if rng.random() < float(share):
        death = Death(folder, root, rng.randint(1, MOST_STEPS))
        os.write, os.fsync = death.before(os.write, "os.write"), death.before(os.fsync, "os.fsync")
        sys.addaudithook(death.hear)
    runpy.run_path(str(KEEPER), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
