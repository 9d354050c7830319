"""The night: a loop that works through the thirty decisions, killed now and then where that is wanted."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from llm_loop.repairs.in_use import is_being_changed
from tests.conftest import eventually
from tests.loop_process import LoopProcess
from tests.repair_night.cases import Case, Ends, the_night
from tests.repair_night.material import Scene
from tests.repair_night.worker import MOST_REFUSALS

LONGEST_S = 300.0
KILLS, KILLS_AMID_AN_INSTALL = 8, 3


class Night:
    """Hold the scene and its loop. Use it as a context: whatever happens, nothing of it is left running."""

    def __init__(self, folder: Path, cases: list[Case] | None = None, **settings: object) -> None:
        self.cases = the_night() if cases is None else cases
        self.scene = Scene(folder)
        self.scene.make(self.cases, **settings)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
        self.loop = LoopProcess(self.scene.root, self.scene.environ(clean) | {"PYTHONUTF8": "1"})

    def live(self, seconds: float = LONGEST_S) -> None:
        """Let the loop live until every decision has come to its end."""
        eventually(lambda: self.is_over() or not self.lives(), seconds)

    def is_over(self) -> bool:
        """Tell whether every decision became a run whose cycle is closed, or was refused for good."""
        wanted = sum(case.ends is not Ends.REFUSED for case in self.cases)
        closed = {event["run_id"] for event in self.loop.events("cycle")} - {None}
        refused = self.loop.events("place_refused")
        return len(closed) >= wanted and len(refused) >= MOST_REFUSALS * (len(self.cases) - wanted)

    def lives(self) -> bool:
        return self.loop.process.poll() is None

    def live_dying(self, dice: random.Random) -> int:
        """Live on while the daemon is killed again and again, amid installs too; return how many of these were hit."""
        amid = dice.sample(range(KILLS), KILLS_AMID_AN_INSTALL)
        hit = 0
        for number in range(KILLS):
            if number in amid:
                hit += self._kill_when(self.is_installing, 60.0, dice.uniform(0.0, 0.8))
            else:
                self._kill_when(self.is_over, dice.uniform(0.3, 5.0))
        self.live()
        return hit

    def _kill_when(self, condition: Callable[[], bool], seconds: float, later_s: float = 0.0) -> bool:
        """Kill the daemon when something holds, or a little later, at the latest after ``seconds``.

        Tell whether it held at the kill. What the daemon had started goes on; it is started again at once.
        """
        give_up = time.monotonic() + seconds
        while not condition() and time.monotonic() < give_up and self.lives():
            time.sleep(0.01)
        time.sleep(later_s)
        held = condition()
        self.loop.kill()
        self.loop.start()
        return held

    def is_installing(self) -> bool:
        """Tell whether packages of the training environment are changed right now."""
        return is_being_changed(self.scene.python)


def until_closed(loop: LoopProcess, cycles: int, seconds: float = LONGEST_S) -> None:
    """Wait until so many runs have closed their cycles."""
    eventually(lambda: len({event["run_id"] for event in loop.events("cycle")} - {None}) >= cycles, seconds)
