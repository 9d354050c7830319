"""A trainer that attacks the loop which watches it: ``hostile_trainer.py MODE``. Standard library only, POSIX."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fake_trainer import result


def until_stopped(folder: Path, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and not (folder / "STOP").exists():
        time.sleep(0.02)


def main(mode: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    loop = folder.parents[2]
    file = folder / "result.json"
    if mode == "result_folder":
        file.mkdir()
    elif mode == "result_pipe":
        os.mkfifo(file)
    elif mode == "result_endless":
        file.symlink_to("/dev/zero")
    elif mode == "result_huge":
        with file.open("wb") as stream:
            stream.truncate(1 << 30)
    elif mode == "metrics_pipe":
        os.mkfifo(folder / "metrics.jsonl")
        until_stopped(folder, 0.4)
        result(folder, 0.4)
    elif mode == "log_pipe":
        for log in (loop / "logs").glob("*.stdout.log"):
            log.unlink()
            os.mkfifo(log)
        until_stopped(folder, 0.4)
        result(folder, 0.4)
    elif mode == "endless_epochs":
        text = '{"epoch": 1, "epochs": 1e308, "val_log_loss": 0.5}\n'
        (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
        until_stopped(folder, 60)
        result(folder, 0.4, stopped_early=True)
    elif mode == "own_ending":
        (folder / "exit.json").write_text('{"cause": "exited", "exit_code": 0}', encoding="utf-8")
        until_stopped(folder, 0.6)
        result(folder, 0.4)
    elif mode == "ending_is_a_folder":
        (folder / "exit.json").mkdir()
        until_stopped(folder, 60)
    elif mode == "todo_is_a_pipe":
        (loop / "artifacts" / "shared_todo.md").unlink()
        os.mkfifo(loop / "artifacts" / "shared_todo.md")
        result(folder, 0.4)
    elif mode == "state_is_a_folder":
        (loop / "state.json").unlink()
        (loop / "state.json").mkdir()
        result(folder, 0.4)
    elif mode == "flag_is_a_folder":
        (loop / "STOP_CURRENT_RUN").mkdir()
        until_stopped(folder, 20)
        result(folder, 0.4)
    elif mode == "flag_is_a_pipe":
        os.mkfifo(loop / "STOP_CURRENT_RUN")
        until_stopped(folder, 20)
        result(folder, 0.4)
    elif mode == "no_folder":
        shutil.rmtree(folder)
        (loop.parent / "gone.json").write_text(json.dumps(os.getpid()), encoding="utf-8")
        time.sleep(60)
    elif mode == "no_home":
        shutil.rmtree(loop)
        time.sleep(60)
    else:
        raise SystemExit(f"unknown mode {mode}")


if __name__ == "__main__":
    main(sys.argv[1])
