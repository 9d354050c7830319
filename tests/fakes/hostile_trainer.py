"""A trainer that attacks the loop which watches it: ``hostile_trainer.py MODE``. Standard library only, POSIX."""

from __future__ import annotations

import contextlib
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
    if mode == "result_pipe":
        os.mkfifo(folder / "result.json")
    elif mode == "own_ending":
        (folder / "exit.json").write_text('{"cause": "exited", "exit_code": 0}', encoding="utf-8")
        until_stopped(folder, 0.6)
        result(folder, 0.4)
    elif mode == "ending_is_a_folder":
        (folder / "exit.json").mkdir()
        until_stopped(folder, 60)
    elif mode == "folder_is_a_file":
        shutil.rmtree(folder)
        folder.write_text("x", encoding="ascii")
        time.sleep(60)
    elif mode == "todo_is_a_pipe":
        (loop / "artifacts" / "shared_todo.md").unlink()
        os.mkfifo(loop / "artifacts" / "shared_todo.md")
        result(folder, 0.4)
    elif mode == "state_is_a_folder":
        while not (loop / "state.json").is_dir():  # the daemon may write it in between
            (loop / "state.json").unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                (loop / "state.json").mkdir()
        result(folder, 0.4)
    elif mode == "flag_is_a_folder":
        (loop / "STOP_CURRENT_RUN").mkdir()
        until_stopped(folder, 20)
        result(folder, 0.4)
    elif mode == "no_home":
        shutil.rmtree(loop)
        time.sleep(60)
    else:
        raise SystemExit(f"unknown mode {mode}")


if __name__ == "__main__":
    main(sys.argv[1])
