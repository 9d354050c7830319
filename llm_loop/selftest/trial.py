"""The self-test's order: a loop works, is killed and spoiled again and again, is stopped; then it is counted.

Everything happens in one temporary workspace. Its blows come in the order of a seed; their moments are those of
the machine, so that a second run with the same seed is alike, not the same.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_loop.errors import LoopError
from llm_loop.selftest import blows, leftovers
from llm_loop.selftest.counting import JournalWatch, count_events, count_files, count_words
from llm_loop.selftest.dying_loop import MOMENTS
from llm_loop.selftest.loop_process import LoopProcess
from llm_loop.selftest.workspace import GRACE_S, make_workspace, want

_MOMENT_PATIENCE_S = 25.0
_RUN_PATIENCE_S = 60.0
_STOP_PATIENCE_S = GRACE_S + 15.0
_SHARE_OF_MOMENTS = 0.45
_BLOWS = ("keeper", "journal", "state removed", "state spoiled", "nothing")  # each once, then on for as long as asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Hold one finding: its name, whether all is well, and a sentence."""

    name: str
    ok: bool
    what: str


class Trial:
    """Put one loop through a bad night of ``seconds`` (more where the machine is slow: each blow comes once).

    ``say`` is called with each check as it is made. Call ``clean_up`` whatever happens.
    """

    def __init__(self, root: Path, *, seconds: float, seed: int, say: Callable[[Check], None]) -> None:
        self._rng = random.Random(seed)
        self._say = say
        self._paths = make_workspace(root)
        self._loop = LoopProcess(self._paths, run_minutes=seconds / 60 + 5)
        self._journal = JournalWatch(self._paths.events)
        self._began_s = time.monotonic()
        self._seconds = seconds
        self._dealt: Counter[str] = Counter()
        self._stop_s: dict[str, float] = {}
        self.checks: list[Check] = []
        self.losses: dict[str, int] = {}

    def run(self) -> bool:
        """Do everything; tell whether all is well. A loop that does not start any more is counted all the same."""
        try:
            self._work_in_peace()
            self._die_at_chosen_moments()
            self._die_at_random_moments()
            self._end_a_stubborn_run()
            self._stop_with_stubborn_runs()
        except LoopError as error:
            self._check("the loop starts", False, str(error))
            self.clean_up()
        self._count()
        return all(check.ok for check in self.checks)

    def clean_up(self) -> None:
        """End whatever still lives of the loop."""
        self._loop.kill()
        leftovers.end_everything(self._paths)

    def figures(self) -> dict[str, Any]:
        """Return what was done, in numbers; times in seconds."""
        restarts = self._loop.adopted_s
        return {
            "seconds": round(time.monotonic() - self._began_s, 1),
            "runs": len(self._journal.events("run_staged")),
            "attempts": len(self._journal.events("attempt_intended")),
            "events": len(self._journal.events()),
            "done": dict(self._dealt),
            "restarts": len(restarts),
            "restart_median_s": round(statistics.median(restarts), 2) if restarts else None,
            "restart_longest_s": round(max(restarts), 2) if restarts else None,
            "stop_s": self._stop_s,
            "checks": [asdict(check) for check in self.checks],
            "losses": self.losses,
        }

    # ------------------------------------------------------------ what is done

    def _work_in_peace(self) -> None:
        self._loop.start_and_wait()
        worked = self._loop.until(lambda: self._journal.events("run_ended"), _RUN_PATIENCE_S)
        self._check("the loop works", worked, "a first training ran and was recorded" if worked else self._last_words())

    def _die_at_chosen_moments(self) -> None:
        moments = list(MOMENTS)
        self._rng.shuffle(moments)
        until_s = self._began_s + self._seconds * _SHARE_OF_MOMENTS
        self._kill()
        tried, missed = 0, []
        for moment in moments:
            if tried and time.monotonic() >= until_s:
                break
            tried += 1
            self._loop.start(dies_at=moment)
            if not self._loop.wait(_MOMENT_PATIENCE_S, was_killed=True):
                missed.append(moment)
                self._loop.kill()
            self._dealt["deaths at a chosen moment"] += 1
            self._journal.look()
        what = f"the loop died at chosen moments of its own work, {tried} of the {len(MOMENTS)} that there are"
        if missed:
            what += f"; it never came to: {', '.join(missed)}"
        self._check("chosen moments", not missed, what)

    def _die_at_random_moments(self) -> None:
        """Kill it at random, with something else besides; the end of the time is for the stops and the counting."""
        until_s = self._began_s + self._seconds - 8.0
        turns = 0
        while turns < len(_BLOWS) - 1 or time.monotonic() < until_s:
            self._loop.start_and_wait()
            self._loop.until(lambda: False, self._rng.uniform(0.1, 1.6))
            self._deal(_BLOWS[turns % len(_BLOWS)])
            turns += 1
        longest = max(self._loop.adopted_s)
        what = f"killed {turns} times at random moments; back at work {statistics.median(self._loop.adopted_s):.1f} s "
        what += f"after a start (longest {longest:.1f} s)"
        self._check("random moments", not self._loop.bad_ends, what if not self._loop.bad_ends else self._last_words())
        for kind in ("keepers killed", "last lines torn", "state files removed", "state files spoiled"):
            self._check(kind, self._dealt[kind] > 0, f"{kind}: {self._dealt[kind]}")

    def _deal(self, blow: str) -> None:
        if blow == "keeper" and self._loop.until(
            lambda: blows.kill_a_keeper(leftovers.trainings(self._paths), self._rng), 10.0
        ):
            self._dealt["keepers killed"] += 1
            self._loop.until(lambda: False, self._rng.choice([0.0, 0.05, 0.6]))
        self._kill()
        self._dealt["kills at random moments"] += 1
        if blow == "journal":
            blows.tear_the_journal(self._paths)
            self._dealt["last lines torn"] += 1
        elif blow == "state removed":
            blows.remove_the_state(self._paths)
            self._dealt["state files removed"] += 1
        elif blow == "state spoiled":
            blows.spoil_the_state(self._paths)
            self._dealt["state files spoiled"] += 1

    def _end_a_stubborn_run(self) -> None:
        want(self._paths.root, "stubborn")
        self._loop.start_and_wait()
        if not self._loop.until(self._stubborn, _RUN_PATIENCE_S):
            self._check("a stubborn training", False, f"none came to run; {self._last_words()}")
            return
        folder = self._stubborn()[0]
        asked_s = time.monotonic()
        self._paths.stop_current_run.write_text(folder.parent.name, encoding="utf-8")
        gone = self._loop.until(lambda: not leftovers.of_training(folder), _STOP_PATIENCE_S)
        took_s = self._stop_s["run"] = round(time.monotonic() - asked_s, 1)
        what = "a training that ignores the polite end, and its grandchild in a session of its own, "
        what += f"were {'' if gone else 'not '}gone {took_s} s after STOP_CURRENT_RUN (grace {GRACE_S:g} s)"
        self._check("a stubborn training", gone, what)
        flag_gone = self._loop.until(lambda: not self._paths.stop_current_run.exists(), 5.0)
        self._check("its flag", flag_gone, f"the flag STOP_CURRENT_RUN was {'' if flag_gone else 'not '}consumed")

    def _stop_with_stubborn_runs(self) -> None:
        self._loop.until(self._stubborn, _RUN_PATIENCE_S)
        running = self._stubborn()
        asked_s = time.monotonic()
        ended = self._loop.stop(_STOP_PATIENCE_S)
        took_s = self._stop_s["loop"] = round(time.monotonic() - asked_s, 1)
        count = "1 training that ignores" if len(running) == 1 else f"{len(running)} trainings that ignore"
        what = f"the loop was gone {took_s} s after it was asked to stop, with {count} the polite end"
        self._check("stop means stop", ended, what if ended else f"the loop was still there after {took_s} s")
        if not ended:
            self._loop.kill()
        self._journal.look()

    def _kill(self) -> None:
        self._loop.kill()
        self._journal.look()

    def _stubborn(self) -> list[Path]:
        """Return the attempts of stubborn trainings that run and have their grandchild."""
        running = [folder for folder in leftovers.trainings(self._paths) if not (folder / "exit.json").exists()]
        words = {folder: {word for word, _, _ in leftovers.notes_of(folder)} for folder in running}
        return [folder for folder in running if "stubborn" in words[folder] and leftovers.of_training(folder)]

    # ------------------------------------------------------------ what came of it

    def _count(self) -> None:
        events = self._journal.events()
        notes = Counter(
            (folder, word) for folder in leftovers.trainings(self._paths) for word, _, _ in leftovers.notes_of(folder)
        )
        left = leftovers.living(self._paths)
        calls = self._paths.root / "calls.txt"
        called = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        self.losses = {
            "events lost": self._journal.lines_lost,
            **count_events(events),
            **count_files(self._paths, events),
            "attempts started twice": sum(n > 1 for (_, word), n in notes.items() if word == "start"),
            "runs trained twice at once": sum(n for (_, word), n in notes.items() if word == "twice"),
            "model calls made twice": count_words(called),
            "torn lines not set aside": max(0, self._dealt["last lines torn"] - _torn(events)),
            "orphans": len(left),
            "ends without a word": len(self._loop.bad_ends),
        }
        for name, count in self.losses.items():
            self._check(name, count == 0, f"{name}: {count}" + (f" ({left})" if name == "orphans" and left else ""))

    def _last_words(self) -> str:
        return "; ".join(self._loop.bad_ends[:3]) or "the loop said nothing"

    def _check(self, name: str, ok: bool, what: str) -> None:
        check = Check(name=name, ok=ok, what=what)
        self.checks.append(check)
        self._say(check)


def _torn(events: list[dict[str, Any]]) -> int:
    return sum(event["event"] == "repaired" and "torn" in event["what"] for event in events)
