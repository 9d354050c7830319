"""A trainer that can do well, badly, slowly, silently, or lie: ``fake_trainer.py MODE [NUMBER]``.

Standard library only. It writes to LLM_LOOP_RUN_DIR, like a real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def result(folder: Path, value: float, **changes: object) -> None:
    record = {
        "schema_version": 1,
        "metric": "val_log_loss",
        "direction": "min",
        "value": value,
        "best_val_score": -value,
        "best_epoch": 1,
        "epochs_run": 1,
        "n": 100,
        "split": "val",
        "seed": 0,
        "budget": {"epochs": 1},
        "params": {"x": value},
        "stopped_early": False,
        "trainer_version": "fake",
        "data_hash": "d",
        "score_source": "self_reported",
        "interval": None,
        "model": "fake",
        "run_seconds": 0.1,
        "test_opened": False,
    } | changes
    partial = folder / "result.json.tmp"
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.replace(folder / "result.json")


def row(folder: Path, epoch: int, value: float, epochs: int = 3) -> None:
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"epoch": epoch, "epochs": epochs, "train_loss": value, "val_log_loss": value}) + "\n")


def until_stopped(folder: Path, *, obey: bool = True) -> None:
    """Train on for ever, looking for the polite request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the STOP file says it
    epoch = 0
    while not (obey and (folder / "STOP").exists()):
        epoch += 1
        row(folder, epoch, 1.0 / epoch, 10_000)
        time.sleep(0.02)


def main(mode: str, number: float) -> int:
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    if mode == "good":
        row(folder, 1, number)
        result(folder, number)
    elif mode == "sleep":
        row(folder, 1, number)
        time.sleep(number)
        result(folder, number)
    elif mode == "fail":
        print("boom: it broke", file=sys.stderr)
        return int(number)
    elif mode == "no_result":
        print("all is well")
    elif mode == "nan":
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write('{"epoch": 1, "epochs": 1, "train_loss": NaN, "val_log_loss": NaN}\n')
    elif mode == "diverged":
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write('{"epoch": 1, "epochs": 9, "train_loss": NaN, "val_log_loss": NaN}\n')
        until_stopped(folder)
    elif mode == "exploding":
        for epoch, loss in enumerate((2.3, 8.0, 1e5, 1e7, 1e9), 1):
            row(folder, epoch, loss)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not (folder / "STOP").exists():
            time.sleep(0.02)
    elif mode == "bad_result":
        (folder / "result.json").write_text('{"metric": 3', encoding="utf-8")
    elif mode == "nan_result":
        result(folder, float("nan"), best_val_score=0)
    elif mode == "polite":
        until_stopped(folder)
        result(folder, 0.5, stopped_early=True)
    elif mode == "stubborn":
        until_stopped(folder, obey=False)
    elif mode == "silent":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not (folder / "STOP").exists():
            time.sleep(0.02)
    elif mode == "family":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        (folder / "family.tmp").write_text(str(child.pid), encoding="ascii")
        (folder / "family.tmp").replace(folder / "family.pid")
        until_stopped(folder, obey=False)
    elif mode == "binary":
        sys.stdout.buffer.write(bytes(range(256)) * 4096)
        result(folder, number)
    elif mode == "flood":
        line = b"x" * 1023 + b"\n"
        for _ in range(int(number) * 1024):
            sys.stdout.buffer.write(line)
        result(folder, 0.4)
    elif mode == "pattern":
        print("loss = DIVERGED now", flush=True)
        until_stopped(folder)
    elif mode == "printed":
        print("{'epoch': 1, 'val_log_loss': 0.7, 'loss': 1.0}")
        print('{"epoch": 2, "val_log_loss": 0.3}')
        print("{'epoch': 3, 'val_log_loss': nan}")
    elif mode == "foreign":
        Path("out").mkdir(exist_ok=True)
        history = [{"epoch": 1, "val_log_loss": 0.9}, {"epoch": 2, "val_log_loss": number}]
        Path("out/metrics.json").write_text(json.dumps({"history": history}), encoding="utf-8")
    elif mode == "resumable":
        earlier = os.environ.get("LLM_LOOP_RESUME_DIR")
        done = 0 if earlier is None else int((Path(earlier) / "last.pt").read_text(encoding="ascii"))
        (folder / "last.tmp").write_text(str(done + 1), encoding="ascii")
        (folder / "last.tmp").replace(folder / "last.pt")
        row(folder, done + 1, 0.5)
        if done < 2:
            until_stopped(folder)
        result(folder, 0.5, epochs_run=done + 1, stopped_early=done < 2)
    elif mode == "environment":
        (folder / "environment_seen.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
        result(folder, number)
    else:
        raise SystemExit(f"unknown mode {mode}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.5))
