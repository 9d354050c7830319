"""A bad night: kill the daemon and keepers of a working loop again and again, then count what was lost.

    python tests/chaos/run.py --kills 60 --seed 1               daemon kills at random moments
    python tests/chaos/run.py --kills 60 --seed 1 --keepers 20  keepers too
    python tests/chaos/run.py --steps 40 --seed 1               the daemon dies at a step of its own work

Real processes in a temporary workspace, a scripted worker, trainings of half a second. Prints losses,
duplicates, orphans, files that do not parse and how long a restart took; exit code 1 on any loss. A
killed keeper costs an attempt, never a run. Every second decision changes code, so that kills meet the jobs that make,
place, compare and prune checkouts as well. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from llm_loop.contract.paths import WorkspacePaths  # noqa: E402
from tests.conftest import command_line, make_workspace  # noqa: E402

_TOLD = ("place_refused", "code_placed", "run_adopted", "call_intended", "repaired")
MOST_CHECKOUTS = 40
IN_PLACE = 0.99
TRAIN = """\
import os, sys
from pathlib import Path

sys.path.append(%r)
from tests.chaos.trainer import main
from tiny.value import VALUE

main(Path(sys.argv[1]), float(sys.argv[2]), VALUE)
"""


class Night:
    """Hold the workspace of one bad night and what was seen of its journal."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        worker = command_line(HERE / "worker.py")
        settings = {"worker_command": worker, "mentor_command": worker, "mentor_enabled": True}
        make_workspace(root, **settings, mentor_every_n_cycles=3, max_parallel_runs=2, stop_grace_seconds=1)
        self.root, self.paths, self.rng = root, WorkspacePaths(root), rng
        if os.name != "nt":  # a checkout needs junctions, which Wine cannot make
            self.fill_repository()
        self.repository = self.code()
        self.seen = b""
        self.shrunk = 0
        self.restarts_s: list[float] = []
        self.bad_ends: list[str] = []
        self.met: Counter[str] = Counter()

    def fill_repository(self) -> None:
        repository = self.root / "repo"
        (repository / "tiny").mkdir()
        (repository / "tiny" / "__init__.py").touch()
        (repository / "tiny" / "value.py").write_text(f"VALUE = {IN_PLACE}\n", encoding="utf-8")
        (repository / "train.py").write_text(TRAIN % str(HERE.parents[1]), encoding="utf-8")

    def code(self) -> dict[Path, bytes]:
        """Return what the training repository holds, but for what Python caches in it."""
        found = (self.root / "repo").rglob("*")
        return {path: path.read_bytes() for path in found if path.is_file() and path.suffix != ".pyc"}

    def start(self, *, die_at_step: int | None = None) -> subprocess.Popen[bytes]:
        program = ["-m", "llm_loop"] if die_at_step is None else [str(HERE / "dying_daemon.py"), str(die_at_step)]
        argv = [sys.executable, "-X", "utf8", *program, "--workspace", str(self.root), "start", "--quiet"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
        environ |= {"PYTHONPATH": str(HERE.parents[1]), "PYTHONUTF8": "1"}
        return subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.whole_lines().split(b"\n") if line]

    def whole_lines(self) -> bytes:
        try:
            data = self.paths.events.read_bytes()
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1]

    def look(self) -> None:
        """Note whether a line that was once in the journal has gone."""
        now = self.whole_lines()
        self.shrunk += not now.startswith(self.seen)
        self.seen = now

    def kill_daemon(self, daemon: subprocess.Popen[bytes]) -> None:
        daemon.kill()
        self.met.update(path.name.split("-")[0] for path in self.paths.jobs.glob("*"))
        self.collect(daemon)
        self.look()

    def collect(self, daemon: subprocess.Popen[bytes], seconds: float = 60) -> None:
        _, err = daemon.communicate(timeout=seconds)
        if daemon.returncode not in (0, -signal.SIGKILL) or b"Traceback" in err:
            self.bad_ends.append(f"exit {daemon.returncode}: {err.decode('utf-8', 'replace').strip()[-500:]}")

    def kill_a_keeper(self) -> bool:
        """Kill the keeper of an attempt or of a job that runs; tell whether there was one."""
        running = [path.parent for path in self.paths.runs.glob("*/attempt-*/started.json")]
        running += [path.parent for path in self.paths.jobs.glob("*/started.json")]
        running = [folder for folder in running if not (folder / "exit.json").exists()]
        self.rng.shuffle(running)
        for folder in running:
            try:
                os.kill(json.loads((folder / "started.json").read_bytes())["keeper_pid"], signal.SIGKILL)
                return True
            except (OSError, ValueError):
                continue
        return False

    def finish(self) -> None:
        """Let the loop work in peace for a moment, then stop it politely."""
        daemon = self.start()
        ended = sum(event["event"] == "run_ended" for event in self.events())
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and daemon.poll() is None:
            if sum(event["event"] == "run_ended" for event in self.events()) >= ended + 4:
                break
            time.sleep(0.1)
        daemon.send_signal(signal.SIGINT)
        self.collect(daemon)
        self.look()

    def counts(self) -> dict[str, int]:
        """Return each kind of loss and how often it came; all 0 is a good night."""
        events = self.events()
        kinds = {kind: [event for event in events if event["event"] == kind] for kind in {e["event"] for e in events}}
        staged = Counter(event["run"]["run_id"] for event in kinds.get("run_staged", []))
        ended = Counter(event["run_id"] for event in kinds.get("run_ended", []))
        opened = Counter(event["cycle_trace_id"] for event in kinds.get("cycle_opened", []))
        closed = Counter(event["cycle_trace_id"] for event in kinds.get("cycle", []))
        attempts = Counter((event["run_id"], event["attempt"]["number"]) for event in kinds.get("attempt_intended", []))
        starts = Counter(line.rsplit(" ", 2)[0] for line in self.notes() if line.startswith("start"))
        calls = Counter(self.text("calls.txt").splitlines())
        ran = {event["run_id"] for event in kinds.get("run_ended", []) if event["row"]["attempts"]}
        states = Counter(event["state"] for event in kinds.get("run_ended", []))
        history = Counter(row["run_id"] for row in self.lines(self.paths.history))
        return {
            "journal lines lost": self.shrunk,
            "gaps in seq": int([event["seq"] for event in events] != list(range(1, len(events) + 1))),
            "runs staged twice": sum(count > 1 for count in staged.values()),
            "runs without an end": len(staged - ended),
            "runs ended twice": sum(count > 1 for count in ended.values()),
            "runs lost": states["lost"] + states["failed"],
            "cycles without an end": len(opened - closed),
            "cycles closed twice": sum(count > 1 for count in closed.values()),
            "attempts intended twice": sum(count > 1 for count in attempts.values()),
            "attempts started twice": sum(count > 1 for count in starts.values()),
            "one run trained twice at once": self.overlaps(),
            "calls made twice": sum(count > 1 for count in calls.values()) if self.expect_single_calls else 0,
            "history rows wrong": len(ran ^ set(history)) + sum(count > 1 for count in history.values()),
            "summaries wrong": int(self.traces(self.paths.cycle_summaries) != list(closed)),
            "storyline wrong": sum(self.paths.storyline.read_text("utf-8").count(f"trace={t} ") != 1 for t in closed),
            "runs of another code": self.wrong_codes(kinds.get("run_staged", []), kinds.get("run_ended", [])),
            "checkouts used by two runs": sum(len(runs) > 1 for runs in self.places().values()),
            "files of the repository changed": int(self.code() != self.repository),
            "jobs left lying": len(list(self.paths.jobs.glob("*"))),
            "checkouts left lying": max(0, len(list(self.paths.checkouts.glob("*/"))) - MOST_CHECKOUTS),
            "orphans": len(self.orphans()),
            "files that do not parse": len(self.unparsable()),
            "starts that failed": len(self.bad_ends),
            "errors journaled": len(kinds.get("error", [])),
        }

    expect_single_calls = True

    def wrong_codes(self, staged: list[dict[str, Any]], ended: list[dict[str, Any]]) -> int:
        """Return how many runs have a value that their decision's code does not give."""
        decisions = {event["run"]["run_id"]: event["run"]["decision"] for event in staged}
        found = 0
        for event in ended:
            decision, result = decisions[event["run_id"]], event["result"]
            if result is not None and decision["command"].startswith("python train.py"):
                edits = decision["edits"] or [{"new_text": f"VALUE = {IN_PLACE}"}]
                found += float(edits[0]["new_text"].split("=")[1]) != result["value"]
        return found

    def places(self) -> dict[str, set[str]]:
        """Return which runs ran in which checkout."""
        found: dict[str, set[str]] = {}
        for folder, cwd in (json.loads(line) for line in self.text("places.txt").splitlines()):
            if Path(cwd).parent == self.paths.checkouts:
                found.setdefault(cwd, set()).add(Path(folder).parent.name)
        return found

    def text(self, name: str) -> str:
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def notes(self) -> list[str]:
        return self.text("notes.txt").splitlines()

    def overlaps(self) -> int:
        """Return how many attempts of a run began before the one before it had ended (killed ones leave no end)."""
        open_runs: dict[str, tuple[str, int]] = {}
        found = 0
        for line in self.notes():
            word, rest = line.split(" ", 1)
            folder, pid, _ = rest.rsplit(" ", 2)
            run = str(Path(folder).parent)
            if word == "start":
                found += run in open_runs and psutil.pid_exists(open_runs[run][1])
                open_runs[run] = (folder, int(pid))
            else:
                if run in open_runs and open_runs[run][0] != folder:
                    found += 1  # an end after a later attempt began
                open_runs.pop(run, None)
        return found

    def lines(self, path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    def traces(self, path: Path) -> list[str]:
        return [line["cycle_trace_id"] for line in self.lines(path)]

    def orphans(self) -> list[int]:
        """Return the processes that belong to this workspace still."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join([*process.cmdline(), process.environ().get("LLM_LOOP_RUN_DIR", "")])
                if str(self.root) in words and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def unparsable(self) -> list[Path]:
        found = []
        for path in self.paths.loop.rglob("*.json*"):
            if path.suffix not in (".json", ".jsonl") or path.name.startswith("."):
                continue
            try:
                texts = [path.read_text("utf-8")] if path.suffix == ".json" else path.read_text("utf-8").split("\n")
                for text in texts:
                    if text.strip():
                        json.loads(text)
            except ValueError:
                found.append(path)
        return found


def random_kills(night: Night, kills: int, keepers: int) -> None:
    keeper_kills = set(night.rng.sample(range(kills), min(keepers, kills)))
    for number in range(kills):
        daemon = night.start()
        time.sleep(night.rng.uniform(0.25, 4.0))
        if number in keeper_kills and night.kill_a_keeper():
            time.sleep(night.rng.choice([0.0, 0.05, 0.3]))
        night.kill_daemon(daemon)
        if night.rng.random() < 0.3:
            time.sleep(night.rng.uniform(0, 1))


def step_kills(night: Night, steps: int) -> None:
    """Let the daemon die at step after step; each start does some work before it dies."""
    for _ in range(steps):
        daemon = night.start(die_at_step=night.rng.randrange(1, 120))
        try:
            night.collect(daemon, 30)
        except subprocess.TimeoutExpired:
            night.kill_daemon(daemon)
        night.look()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="Daemon kills at random moments (default 0).")
    parser.add_argument("--keepers", type=int, default=0, metavar="N", help="Of them with a keeper too (default 0).")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="Deaths at a step (default 0).")
    parser.add_argument("--seed", type=int, default=1, help="Seed of the moments (default 1).")
    parser.add_argument("--keep", action="store_true", help="Leave the workspace and name it.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bad night ") as folder:
        night = Night(Path(folder) / "work", random.Random(arguments.seed))
        random_kills(night, arguments.kills, arguments.keepers)
        step_kills(night, arguments.steps)
        night.finish()
        counts = night.counts()
        runs = sum(event["event"] == "run_staged" for event in night.events())
        print(f"{arguments.kills} kills, {arguments.keepers} of them with a keeper, {arguments.steps} deaths at a step")
        kinds = Counter(event["event"] for event in night.events())
        print(f"{runs} runs, {len(night.places())} of them in a checkout, {len(night.events())} events")
        print(", ".join(f"{kinds[kind]} {kind}" for kind in _TOLD))
        print("kills met jobs: " + (", ".join(f"{count} {job}" for job, count in night.met.items()) or "none"))
        for name, count in counts.items():
            print(f"{count:6d}  {name}")
        for end in night.bad_ends[:5]:
            print(end)
        for event in [event for event in night.events() if event["event"] == "error"][:5]:
            print(json.dumps(event)[:2000])
        if arguments.keep:
            keep = Path(tempfile.mkdtemp(prefix="kept-night-"))
            import shutil

            shutil.copytree(night.root, keep / "work", symlinks=True)
            print(f"kept in {keep}")
    return int(any(counts.values()))


if __name__ == "__main__":
    sys.exit(main())
