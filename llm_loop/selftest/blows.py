"""What is done to the loop of a self-test: its keepers killed, its files torn, removed and spoiled."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.selftest import leftovers
from llm_loop.system import processes

_HALF_A_LINE = b'{"seq": 999999, "ts_utc": "2026-01-01T00:00:00Z", "event": "cyc'


def kill_a_keeper(folders: Iterable[Path], rng: random.Random) -> bool:
    """Kill the keeper of one of the folders in which something runs; tell whether there was one."""
    running = [folder for folder in folders if not (folder / "exit.json").exists()]
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
    tear(paths.events)


def tear(path: Path) -> None:
    """Leave half a line at the end of a file of JSON lines."""
    with path.open("ab", buffering=0) as stream:
        stream.write(_HALF_A_LINE)


def remove_the_state(paths: WorkspacePaths) -> None:
    """Remove ``state.json``."""
    paths.state.unlink(missing_ok=True)


def spoil_the_state(paths: WorkspacePaths) -> None:
    """Leave half of ``state.json``."""
    halve(paths.state)


def halve(path: Path) -> None:
    """Leave half of a file, or of an empty object where there is none."""
    data = path.read_bytes() if path.exists() else b"{}"
    path.write_bytes(data[: max(1, len(data) // 2)])
