"""What is done to the loop of a self-test: its keepers killed, its files torn, removed and spoiled."""

from __future__ import annotations

import os
import random
import signal

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.selftest import leftovers
from llm_loop.system import processes

_HALF_A_LINE = b'{"seq": 999999, "ts_utc": "2026-01-01T00:00:00Z", "event": "cyc'


def kill_a_keeper(paths: WorkspacePaths, rng: random.Random) -> bool:
    """Kill the keeper of an attempt that runs; tell whether there was one."""
    running = [folder for folder in leftovers.trainings(paths) if not (folder / "exit.json").exists()]
    rng.shuffle(running)
    for folder in running:
        started = processes.read_started(folder)
        if started is None or not leftovers.lives(started["keeper_pid"], started.get("keeper_identity")):
            continue
        try:
            os.kill(started["keeper_pid"], getattr(signal, "SIGKILL", signal.SIGTERM))
        except OSError:  # it ended by itself meanwhile
            continue
        return True
    return False


def tear_the_journal(paths: WorkspacePaths) -> None:
    """Leave half a line at the journal's end, as a power cut does in the middle of a write."""
    with paths.events.open("ab", buffering=0) as stream:
        stream.write(_HALF_A_LINE)


def remove_the_state(paths: WorkspacePaths) -> None:
    """Remove ``state.json``."""
    paths.state.unlink(missing_ok=True)


def spoil_the_state(paths: WorkspacePaths) -> None:
    """Leave half of ``state.json``."""
    data = paths.state.read_bytes() if paths.state.exists() else b"{}"
    paths.state.write_bytes(data[: max(1, len(data) // 2)])
