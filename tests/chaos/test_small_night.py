"""Chaos in small: 30 kills of daemon or keeper at random moments, then a quiet end. Both platforms."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.chaos.run import HERE, Night, random_kills
from tests.conftest import eventually

REAL_PYTHON = getattr(sys, "_base_executable", None) or sys.executable
KILLS, KEEPER_KILLS = 30, 10


class SmallNight(Night):
    """A night that Windows knows too: TerminateProcess on the interpreter itself, and the stop file."""

    def start(self, *, die_at_step: int | None = None) -> subprocess.Popen[bytes]:
        assert die_at_step is None
        argv = [REAL_PYTHON, "-X", "utf8", "-m", "llm_loop", "--workspace", str(self.root), "start", "--quiet"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
        environ |= {"PYTHONPATH": str(HERE.parents[1]), "PYTHONUTF8": "1"}
        if sys.executable != REAL_PYTHON:
            environ["__PYVENV_LAUNCHER__"] = sys.executable  # what the launcher itself says to the interpreter
        return subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def collect(self, daemon: subprocess.Popen[bytes], seconds: float = 60) -> None:
        _, err = daemon.communicate(timeout=seconds)
        killed = 1 if os.name == "nt" else -signal.SIGKILL
        if daemon.returncode not in (0, killed) or b"Traceback" in err or b"llm-loop: " in err:
            self.bad_ends.append(f"exit {daemon.returncode}: {err.decode('utf-8', 'replace').strip()[-500:]}")

    def kill_a_keeper(self) -> bool:
        running = list(self.paths.runs.glob("*/attempt-*/started.json"))
        running = [path for path in running if not path.with_name("exit.json").exists()]
        self.rng.shuffle(running)
        for path in running:
            try:
                psutil.Process(json.loads(path.read_bytes())["keeper_pid"]).kill()
                return True
            except (psutil.Error, OSError, ValueError):
                continue
        return False

    def ended(self) -> int:
        return sum(event["event"] == "run_ended" for event in self.events())

    def finish(self) -> None:
        """Let it work until some more runs have ended, then stop it politely."""
        daemon = self.start()
        wanted = self.ended() + 3
        eventually(lambda: self.ended() >= wanted or daemon.poll() is not None, 90)
        if os.name == "nt":
            self.paths.stop_daemon.touch()
        else:
            daemon.send_signal(signal.SIGINT)
        self.collect(daemon)
        self.look()


@pytest.mark.chaos
def test_thirty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    night = SmallNight(tmp_path / "bad night", random.Random(12))
    random_kills(night, KILLS, KEEPER_KILLS)
    night.finish()
    counts = night.counts()
    assert night.ended() >= 5, "a night without runs shows nothing"
    assert not any(counts.values()), ({name: count for name, count in counts.items() if count}, night.bad_ends[:3])
