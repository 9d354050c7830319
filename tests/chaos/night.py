"""One bad night: the workspace of a working loop, what is done to it, and what that cost.

Real processes in a temporary workspace, a scripted worker, trainings of half a second. The self-test that ships counts
what it can; here code changes too, agents hang, and keepers die at steps of their own.
"""

from __future__ import annotations

import errno
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from llm_loop.memory.journal import _FOLLOWED_AT_ONCE
from llm_loop.selftest import blows, leftovers, workspace
from llm_loop.selftest.counting import JournalWatch, count_events, count_files, count_words
from llm_loop.selftest.loop_process import LoopProcess
from llm_loop.system import files
from tests.chaos.dying_daemon import KEEPERS
from tests.chaos.dying_keeper import DEATHS, SETTINGS
from tests.chaos.worker import HUNG
from tests.conftest import command_line

HERE = Path(__file__).resolve().parent
MOST_CHECKOUTS = 40
CALL_S = 6.0
IN_PLACE = 0.99
TRAIN = """\
import sys

sys.path.append(%r)
from llm_loop.selftest.trainer import main
from tiny.value import VALUE

main(sys.argv[1], float(sys.argv[2]), VALUE)
"""
_BLOWS = (
    *("journal torn", "journal cut", "history torn", "summaries torn"),
    *("state halved", "state removed", "state of before", "index halved"),
)
Events = list[dict[str, Any]]


class Night:
    """Hold a loop, do things to it, and know what they cost."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root, self.rng = root, rng
        self.paths = workspace.make_workspace(root)
        config = root / "config" / "daemon_config.json"
        worker = command_line(HERE / "worker.py")
        settings = {"worker_command": worker, "mentor_command": worker, "codex_timeout_seconds": CALL_S}
        files.replace_json(config, files.read_json(config) | settings)
        if os.name != "nt":  # a checkout needs junctions, which Wine cannot make
            self._fill_repository()
        self.repository = self._code()
        self.loop = LoopProcess(self.paths, run_minutes=60)
        self.journal = JournalWatch(self.paths.events)
        self.done: Counter[str] = Counter()
        self.survivors: set[str] = set()
        self.full_disk = False
        self._older_state = b""

    def _fill_repository(self) -> None:
        repository = self.root / "repo"
        (repository / "tiny").mkdir()
        (repository / "tiny" / "__init__.py").touch()
        (repository / "tiny" / "value.py").write_text(f"VALUE = {IN_PLACE}\n", encoding="utf-8")
        (repository / "train.py").write_text(TRAIN % str(HERE.parents[1]), encoding="utf-8")

    def _code(self) -> dict[Path, bytes]:
        """Return what the training repository holds, but for what Python caches in it."""
        found = (self.root / "repo").rglob("*")
        return {path: path.read_bytes() for path in found if path.is_file() and path.suffix != ".pyc"}

    # ------------------------------------------------------------ what is done

    def start(self, *, die_at_step: int | None = None, keepers_die: float | None = None) -> None:
        """Start the loop, as it is, or dying at a step of its own work, or with so many of its keepers dying."""
        if keepers_die is not None:
            seed = self.rng.randrange(1_000_000)
            (self.root / SETTINGS).write_text(f"{seed} {keepers_die}\n", encoding="utf-8")
        step = KEEPERS if keepers_die is not None else None if die_at_step is None else str(die_at_step)
        self.loop.start(program=("-m", "llm_loop") if step is None else (str(HERE / "dying_daemon.py"), step))

    def live(self, seconds: float) -> None:
        """Let it live for so long; how soon it was at work again is noted."""
        until_s = time.monotonic() + seconds
        self.loop.wait_for_beat(seconds)
        while self.loop.lives and (left := until_s - time.monotonic()) > 0:
            time.sleep(min(0.05, left))

    def kill(self) -> None:
        """Kill the loop, whatever it does."""
        self.loop.kill()
        self.done["kills of the loop"] += 1
        for path in self.paths.jobs.glob("*"):
            self.done[f"kills amid a job ({path.name.split('-')[0]})"] += 1
        self.done["kills amid a model call"] += any(map(_is_held, self.paths.calls.glob("*")))
        self.done["kills amid a training"] += any(map(_is_held, leftovers.trainings(self.paths)))
        self.look()

    def look(self) -> None:
        """Note what has gone from the journal, and what of an ended training lives on."""
        self.journal.look()
        for folder in leftovers.trainings(self.paths):
            if (folder / "exit.json").exists():
                self.survivors.update(f"{what} ({folder.name})" for what in leftovers.of_training(folder).values())

    def kill_a_keeper(self) -> None:
        """Kill the keeper of a training or of a job, where there is one."""
        folders = [*leftovers.trainings(self.paths), *self.paths.jobs.glob("*")]
        if blows.kill_a_keeper(folders, self.rng):
            self.done["kills of a keeper"] += 1
            time.sleep(self.rng.choice([0.0, 0.05, 0.3]))

    def spoil_a_file(self) -> None:
        """Leave a file as a power cut may: half a line more, one less that nothing followed yet, half, old, gone."""
        blow = self.rng.choice(_BLOWS)
        match blow:
            case "journal torn":
                blows.tear_the_journal(self.paths)
            case "journal cut":
                if not self._cut_the_journal():
                    return
            case "history torn" | "summaries torn":
                path = self.paths.history if blow.startswith("history") else self.paths.cycle_summaries
                if not path.exists():
                    return
                blows.tear(path)
            case "state halved":
                blows.spoil_the_state(self.paths)
            case "state removed":
                blows.remove_the_state(self.paths)
            case "state of before":
                if self._older_state:
                    self.paths.state.write_bytes(self._older_state)
            case "index halved":
                blows.halve(self.paths.history_index)
        self.done[blow] += 1
        if not blow.startswith("state") and self.paths.state.exists():
            self._older_state = self.paths.state.read_bytes()

    def _cut_the_journal(self) -> bool:
        """Cut the last line short where it was not forced to disk yet; tell whether there was one."""
        data = self.paths.events.read_bytes() if self.paths.events.exists() else b""
        lines = data.splitlines(keepends=True)
        if not lines or not lines[-1].endswith(b"\n") or json.loads(lines[-1])["event"] not in _FOLLOWED_AT_ONCE:
            return False
        self.paths.events.write_bytes(data[: -self.rng.randrange(2, len(lines[-1]))])
        self.journal.forget_the_rest()
        return True

    def finish(self, runs: int = 4) -> None:
        """Let the loop work in peace until some more runs have ended, then stop it politely."""
        self.start()
        wanted = self.runs_ended() + runs
        self.loop.until(lambda: time.sleep(0.1) or self.runs_ended() >= wanted, 90)
        if not self.loop.stop(60):
            self.loop.kill()
            self.loop.bad_ends.append("it did not stop when it was asked to")
        self.look()

    def runs_ended(self) -> int:
        return self.paths.history.read_bytes().count(b"\n") if self.paths.history.exists() else 0

    # ------------------------------------------------------------ what it cost

    def counts(self) -> dict[str, int]:
        """Return each kind of loss and how often it came; all 0 is a good night."""
        events = self.journal.events()
        notes = [(folder, *note) for folder in leftovers.trainings(self.paths) for note in leftovers.notes_of(folder)]
        return {
            "journal lines lost": self.journal.lines_lost,
            **count_events([event for event in events if not self._tells_of_the_full_disk(event)]),
            "gaps in seq": int([event["seq"] for event in events] != list(range(1, len(events) + 1))),
            **count_files(self.paths, events),
            "attempts started twice": count_words(str(folder) for folder, word, *_ in notes if word == "start"),
            "runs trained twice at once": sum(word == "twice" for _, word, *_ in notes),
            "calls made twice": self._calls_made_twice(),
            "runs of another code": _wrong_codes(events),
            "checkouts used by two runs": sum(len(runs) > 1 for runs in self.places().values()),
            "files of the repository changed": int(self._code() != self.repository),
            "jobs left lying": len(list(self.paths.jobs.glob("*"))),
            "checkouts left lying": max(0, len(list(self.paths.checkouts.glob("*/"))) - MOST_CHECKOUTS),
            "trainings that outlived their end": len(self.survivors),
            "orphans": len(leftovers.living(self.paths)),
            "ends without a word": len(self.loop.bad_ends),
        }

    def _tells_of_the_full_disk(self, event: dict[str, Any]) -> bool:
        said = event["event"] == "error" and os.strerror(errno.ENOSPC) in event["why"]
        return self.full_disk and said and event["trace"] is None

    def _calls_made_twice(self) -> int:
        """Count calls made once more without need: one that hung, or whose keeper died, is rightly made again."""
        if self.full_disk:  # what could not print its answer is asked again
            return 0
        made = Counter(self._lines("calls.txt"))
        made.subtract(self._lines(HUNG))
        for death in self._lines(DEATHS):
            folder = Path(death.split("\t")[0])
            if folder.parent.name == self.paths.calls.name:
                trace, role, _ = folder.name.rsplit("-", 2)
                made[f"{trace} {role}"] -= 1
        return sum(count > 1 for count in made.values())

    def places(self) -> dict[str, set[str]]:
        """Return which runs ran in which checkout."""
        found: dict[str, set[str]] = {}
        for folder in leftovers.trainings(self.paths):
            for word, place in leftovers.places_of(folder):
                if word == "start" and Path(place).parent == self.paths.checkouts:
                    found.setdefault(place, set()).add(folder.parent.name)
        return found

    def keeper_deaths(self) -> Counter[str]:
        """Return before which steps keepers died, and how often."""
        return Counter(death.split("\t")[1] for death in self._lines(DEATHS))

    def _lines(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _is_held(folder: Path) -> bool:
    over = any((folder / name).exists() for name in ("exit.json", "void.json"))
    return (folder / "started.json").exists() and not over


def _wrong_codes(events: Events) -> int:
    """Count the runs that have a value which their decision's code does not give."""
    decisions = {event["run"]["run_id"]: event["run"]["decision"] for event in events if event["event"] == "run_staged"}
    found = 0
    for event in (event for event in events if event["event"] == "run_ended" and event["result"] is not None):
        decision = decisions[event["run_id"]]
        if decision["command"].startswith("python train.py"):
            edits = decision["edits"] or [{"new_text": f"VALUE = {IN_PLACE}"}]
            found += float(edits[0]["new_text"].split("=")[1]) != event["result"]["value"]
    return found


# ------------------------------------------------------------ kinds of nights


def random_kills(night: Night, kills: int, keepers: int) -> None:
    """Kill the loop at random moments, with keepers and files spoiled in between."""
    keeper_kills = set(night.rng.sample(range(kills), min(keepers, kills)))
    for number in range(kills):
        night.start()
        night.live(night.rng.uniform(0.25, 4.0))
        if number in keeper_kills:
            night.kill_a_keeper()
        night.kill()
        if night.rng.random() < 0.4:
            night.spoil_a_file()
        if night.rng.random() < 0.3:
            time.sleep(night.rng.uniform(0, 1))


def step_kills(night: Night, steps: int) -> None:
    """Let the loop die at a step of its own work; each start does some work before it dies."""
    for _ in range(steps):
        night.start(die_at_step=night.rng.randrange(1, 120))
        if not night.loop.wait(30, was_killed=True):
            night.kill()
        night.done["deaths of the loop at a step"] += 1
        night.look()


def keeper_steps(night: Night, starts: int) -> None:
    """Let keepers die at steps of their work, under a loop that lives for a while."""
    for _ in range(starts):
        night.start(keepers_die=0.35)
        night.live(night.rng.uniform(3.0, 7.0))
        night.kill()


def full_disks(night: Night, times: int) -> None:
    """Fill the disk under a working loop again and again, and kill the loop then or later."""
    night.full_disk = True
    ballast = night.root / "ballast"
    for number in range(times):
        night.start()
        night.live(night.rng.uniform(1.0, 3.0))
        _fill(ballast)
        night.done["full disks"] += 1
        time.sleep(night.rng.uniform(1.0, 4.0))
        if number % 2:
            night.kill()
        ballast.unlink()
        if not number % 2:
            night.live(night.rng.uniform(0.5, 3.0))
            night.kill()


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as stream:
        for size in (1_000_000, 4096, 1):
            try:
                while stream.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
