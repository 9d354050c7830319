"""A trainer for bad nights: it notes its start and its end where the counting program looks, then has a result.

``trainer.py NOTES SECONDS VALUE``; in ``places.txt`` beside NOTES it notes in which folder it runs. Standard library
only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

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
    "stopped_early": False,
    "trainer_version": "chaos",
    "data_hash": "d",
    "score_source": "self_reported",
    "interval": None,
    "model": "none",
    "run_seconds": 0.1,
    "test_opened": False,
}


def note(notes: Path, word: str) -> None:
    write(notes, f"{word} {os.environ['LLM_LOOP_RUN_DIR']} {os.getpid()} {time.monotonic():.3f}\n")


def write(notes: Path, line: str) -> None:
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def main(notes: Path, seconds: float, value: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    note(notes, "start")
    write(notes.with_name("places.txt"), json.dumps([str(folder), str(Path.cwd())]) + "\n")
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and not (folder / "STOP").exists():
        time.sleep(0.02)
    record = RESULT | {"value": value, "best_val_score": -value, "stopped_early": (folder / "STOP").exists()}
    partial = folder / "result.json.tmp"
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.replace(folder / "result.json")
    note(notes, "end")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
