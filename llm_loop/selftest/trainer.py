"""The trainer of a self-test: ``trainer.py MODE SECONDS VALUE``. Standard library only; started by path.

MODE: ``plain`` trains for SECONDS and has a result; ``family`` too, and starts a grandchild in a session of its
own that would live on for minutes; ``stubborn`` starts one too, and ignores every polite request to end.

What it does stands in ``notes.txt`` of its run folder, a line each of WORD, the working folder, PID, IDENTITY with tabs
between: ``start``, ``twice`` (another attempt of the run trains at the same time), ``child`` (the grandchild's),
``stubborn``, ``end``. On a full disk it waits for room.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST_S = 300.0
_LOCK_PATIENCE_S = 2.0
RESULT = {
    "schema_version": 1,
    "metric": "val_log_loss",
    "direction": "min",
    "best_epoch": 1,
    "epochs_run": 1,
    "n": 100,
    "split": "val",
    "seed": 0,
    "budget": None,
    "params": None,
    "trainer_version": "selftest",
    "data_hash": "selftest",
    "score_source": "self_reported",
    "interval": None,
    "model": "none",
    "test_opened": False,
}


def main(mode: str, seconds: float, value: float) -> None:
    """Train as told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stop file says it
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    platform = _platform()
    _note(platform, folder, "start", os.getpid())
    lock = platform.open_lock_file(folder.parent / "one_at_a_time.lock")  # open for life
    if not _locked(platform, lock):
        _note(platform, folder, "twice", os.getpid())
    if mode != "plain":
        _note(platform, folder, "child", _start_grandchild().pid)
    if mode == "stubborn":
        _note(platform, folder, "stubborn", os.getpid())
    began = time.monotonic()
    give_up = began + (LONGEST_S if mode == "stubborn" else seconds)
    while time.monotonic() < give_up and (mode == "stubborn" or not (folder / "STOP").exists()):
        time.sleep(0.02)
    _write_result(folder, value, time.monotonic() - began)
    _note(platform, folder, "end", os.getpid())


def _platform() -> Any:
    """Return the loop's own platform module, by path: a training's environment need not have the loop in it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
    return importlib.import_module("platform_windows" if os.name == "nt" else "platform_posix")


def _locked(platform: Any, lock: int) -> bool:
    """Take the run's lock; what was killed may hold it for another instant."""
    give_up = time.monotonic() + _LOCK_PATIENCE_S
    while not platform.try_lock(lock):
        if time.monotonic() >= give_up:
            return False
        time.sleep(0.02)
    return True


def _start_grandchild() -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", f"import time; time.sleep({LONGEST_S})"]
    nothing = subprocess.DEVNULL
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    return subprocess.Popen(
        argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=os.name != "nt", creationflags=flags
    )


def _note(platform: Any, folder: Path, word: str, pid: int) -> None:
    line = f"{word}\t{Path.cwd()}\t{pid}\t{platform.process_identity(pid)}\n"
    _when_there_is_room(lambda: _append(folder / "notes.txt", line.encode("utf-8")))


def _append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as stream:
        before = stream.tell()
        if stream.write(data) != len(data):
            stream.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _when_there_is_room(write: Callable[[], None]) -> None:
    while True:
        try:
            write()
            return
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        time.sleep(0.05)


def _write_result(folder: Path, value: float, seconds: float) -> None:
    stopped = (folder / "STOP").exists()
    record = RESULT | {"value": value, "best_val_score": -value, "run_seconds": seconds, "stopped_early": stopped}
    partial = folder / "result.json.tmp"
    text = json.dumps(record)
    _when_there_is_room(lambda: _put(partial, text))
    partial.replace(folder / "result.json")


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
