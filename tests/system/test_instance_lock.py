"""One daemon a workspace: the lock ends with its holder, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_loop.errors import FileWriteError, WorkspaceBusyError
from llm_loop.system.instance_lock import InstanceLock, is_held
from tests.conftest import eventually

HOLDER = """
import sys, time
from pathlib import Path
from llm_loop.system.instance_lock import InstanceLock
with InstanceLock(Path(sys.argv[1]), "the child", patience_s=0.0):
    Path(sys.argv[1]).with_name("held").touch()
    time.sleep(600)
"""


def start_holder(path: Path, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], env=environ)
    eventually(lambda: path.with_name("held").exists())
    return process


def test_a_lock_is_held_for_its_block_only(weird_path: Path) -> None:
    path = weird_path / ".llm_loop" / "daemon.lock"
    assert not is_held(path) and not path.exists(), "looking makes no file"
    with InstanceLock(path):
        assert is_held(path)
        with pytest.raises(WorkspaceBusyError), InstanceLock(path, patience_s=0.0):
            pytest.fail("taken twice in one process")
        assert is_held(path), "the failed attempt dropped nothing"
    assert not is_held(path)
    with InstanceLock(path, patience_s=0.0):
        assert is_held(path)


def test_the_refusal_names_holder_and_way_out(tmp_path: Path) -> None:
    path = tmp_path / ".llm_loop" / "daemon.lock"
    with InstanceLock(path):
        began = time.monotonic()
        with pytest.raises(WorkspaceBusyError) as caught, InstanceLock(path, "daemon 4711", patience_s=0.2):
            pass
        assert time.monotonic() - began >= 0.2
    assert all(word in str(caught.value) for word in (str(tmp_path), "daemon 4711", "llm-loop stop"))
    assert caught.value.exit_code == 3


def test_a_killed_holder_holds_nothing(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    path = tmp_path / "daemon.lock"
    process = start_holder(path, clean_environ)
    try:
        assert is_held(path)
        with pytest.raises(WorkspaceBusyError), InstanceLock(path, patience_s=0.0):
            pass
    finally:
        process.kill()
        process.wait(10)
    assert not is_held(path)
    with InstanceLock(path, patience_s=0.0):
        assert is_held(path)


def test_looking_never_takes_the_lock(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    path = tmp_path / "daemon.lock"
    with InstanceLock(path):
        pass
    looker = "import sys; from pathlib import Path; from llm_loop.system.instance_lock import is_held\n"
    looker += "print('go', flush=True)\nwhile True: is_held(Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", looker, str(path)], env=clean_environ, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline().strip() == b"go"
        patience_s = 0.5 if os.name == "nt" else 0.0  # Windows has no look that takes nothing for an instant
        for _ in range(300):
            with InstanceLock(path, patience_s=patience_s):
                pass
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_waiting_start_gets_the_lock_when_it_falls_free(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    path = tmp_path / "daemon.lock"
    process = start_holder(path, clean_environ)
    waiter = "import sys; from pathlib import Path; from llm_loop.system.instance_lock import InstanceLock\n"
    waiter += "print('go', flush=True)\nwith InstanceLock(Path(sys.argv[1]), patience_s=20.0): print('mine')"
    waiting = subprocess.Popen([sys.executable, "-c", waiter, str(path)], env=clean_environ, stdout=subprocess.PIPE)
    try:
        assert waiting.stdout is not None and waiting.stdout.readline().strip() == b"go"
        process.kill()
        process.wait(10)
        assert waiting.communicate(timeout=15)[0].strip() == b"mine"
    finally:
        for one in (process, waiting):
            one.kill()
            one.wait(10)


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileWriteError, match="file"), InstanceLock(tmp_path / "file" / "daemon.lock"):
        pass
