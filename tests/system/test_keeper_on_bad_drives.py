"""A keeper whose drive is full, read-only, or away: no ending is lost, and what the drive said is kept."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from llm_loop.system.processes import EndCause
from tests.conftest import eventually
from tests.system.drives import covered, drive, mount_or_skip, read_only
from tests.system.held import (
    MARK,
    UNTIL_STOPPED,
    held,
    is_alive,
    keeper_exit_code,
    python,
)

UNTIL_GO = python(UNTIL_STOPPED.replace("STOP", "go") + "sys.exit(5)")
"""A command that ends once there is a file ``go`` in its working folder."""


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as stream, pytest.raises(OSError):
        while stream.write(b"x" * 512):
            pass


def waits_for_the_drive(started: dict[str, Any]) -> None:
    """Wait for the command's end, and for longer than its keeper takes between two tries to write it down."""
    eventually(lambda: not is_alive(started["pid"]))
    time.sleep(1.2)
    assert is_alive(started["keeper_pid"])


def test_a_full_disk_hides_no_ending(small_disk: Path, tmp_path: Path) -> None:
    logs = {"stdout": tmp_path / "out.log", "stderr": tmp_path / "err.log"}
    with held(small_disk, *UNTIL_GO, cwd=tmp_path, **logs) as one:
        one.start().running()
        fill(small_disk)
        (tmp_path / "go").touch()
        ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.EXITED, 5)
        assert "No space left" in ending.drive_refused, "the command could not say so itself"


def test_what_the_command_called_like_the_probe_stays(tmp_path: Path) -> None:
    text = "from pathlib import Path; Path('exit.probe').write_text('mine'); raise SystemExit(3)"
    with held(tmp_path, *python(text)) as one:
        ending = one.start().ended()
        assert (ending.exit_code, ending.drive_refused) == (3, None)
        assert (tmp_path / "exit.probe").read_text(encoding="utf-8") == "mine"


def test_a_disk_full_before_the_start_does_not_start(small_disk: Path, tmp_path: Path) -> None:
    logs = {"stdout": tmp_path / "out.log", "stderr": tmp_path / "err.log"}
    with held(small_disk, *python(MARK), cwd=tmp_path, **logs) as one:
        (small_disk / "keeper.lock").touch()
        fill(small_disk)
        assert keeper_exit_code(small_disk) != 0
        assert not (tmp_path / "mark").exists()
        (small_disk / "filler").unlink()
        assert one.ended().cause is EndCause.VOID


def test_an_ending_is_written_when_the_drive_is_back(tmp_path: Path) -> None:
    with drive(tmp_path / "drive") as place, held(place / "run", *UNTIL_GO, cwd=tmp_path) as one:
        started = one.start().running()
        with covered(place):
            (tmp_path / "go").touch()
            waits_for_the_drive(started)
        assert one.ended().cause is EndCause.EXITED


def test_an_ending_is_written_when_the_drive_can_be_written_again(tmp_path: Path) -> None:
    mount_or_skip("--version")
    with held(tmp_path / "drive" / "run", *UNTIL_GO, cwd=tmp_path) as one:
        started = one.start().running()
        with read_only(tmp_path / "drive"):
            (tmp_path / "go").touch()
            waits_for_the_drive(started)
        assert one.ended().cause is EndCause.EXITED


@pytest.mark.skipif(os.name == "nt", reason="a folder with open files cannot be removed on Windows")
def test_a_keeper_whose_folder_was_removed_does_not_wait_for_it(tmp_path: Path) -> None:
    with held(tmp_path / "run", *python("import time; time.sleep(0.5)")) as one:
        keeper_pid = one.start().running()["keeper_pid"]
        shutil.rmtree(tmp_path / "run")
        eventually(lambda: not is_alive(keeper_pid))
        (tmp_path / "run").mkdir()
