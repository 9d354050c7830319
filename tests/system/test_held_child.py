"""A child that is held: its deadline, its stop file, its noise, its whole tree.

Holding makes a process the guardian of all its descendants, so each test holds in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import eventually

HOLD = """
import json, os, sys, time
from pathlib import Path
from llm_loop.errors import CommandError
from llm_loop.system.held_child import ChildLimits, hold
folder = Path(sys.argv[1])
limits = ChildLimits(until_s=time.monotonic() + float(sys.argv[2]), stop_file=folder / "STOP", max_output_bytes=100_000)
program = sys.argv[4] if len(sys.argv) > 4 else sys.executable
try:
    ending = hold(
        [program, "-c", sys.argv[3]],
        env={**os.environ, "HELD": "yes"},
        cwd=folder, stdin=folder / "in", stdout=folder / "out", stderr=folder / "err", limits=limits,
        meanwhile=lambda: (folder / "meanwhile").touch(),
    )
    print(json.dumps({"end": ending.end.value, "exit_code": ending.exit_code}))
except CommandError as error:
    print(json.dumps({"error": str(error)}))
"""


def start(folder: Path, code: str, seconds: float = 20, *program: str) -> subprocess.Popen[str]:
    (folder / "in").write_text("given", encoding="utf-8")
    argv = [sys.executable, "-X", "utf8", "-c", HOLD, str(folder), str(seconds), code, *program]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def held(folder: Path, code: str, seconds: float = 20, *program: str) -> dict[str, Any]:
    out, _ = start(folder, code, seconds, *program).communicate(timeout=30)
    value: dict[str, Any] = json.loads(out)
    return value


def test_a_child_reads_writes_and_ends(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before\n", encoding="utf-8")
    code = "import os, sys; print(os.environ['HELD'], sys.stdin.read()); sys.exit(7)"
    assert held(tmp_path, code) == {"end": "exited", "exit_code": 7}
    assert (tmp_path / "out").read_text(encoding="utf-8").split() == ["before", "yes", "given"]
    assert (tmp_path / "meanwhile").exists()


def test_a_deadline_ends_it(tmp_path: Path) -> None:
    began = time.monotonic()
    assert held(tmp_path, "import time; time.sleep(600)", seconds=0.5)["end"] == "deadline"
    assert time.monotonic() - began < 10


def test_a_stop_file_ends_it(tmp_path: Path) -> None:
    process = start(tmp_path, "print('here', flush=True); import time; time.sleep(600)")
    eventually(lambda: (tmp_path / "out").exists() and (tmp_path / "out").stat().st_size)
    (tmp_path / "STOP").touch()
    out, _ = process.communicate(timeout=10)
    assert json.loads(out)["end"] == "stopped"


def test_one_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    code = "while True: print('x' * 1000)"
    assert held(tmp_path, code)["end"] == "too_loud"
    assert (tmp_path / "out").stat().st_size > 100_000


def test_nothing_that_it_started_is_left(tmp_path: Path) -> None:
    own_session = "start_new_session=True" if os.name != "nt" else "creationflags=subprocess.CREATE_NEW_PROCESS_GROUP"
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        f"stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, {own_session}); print(p.pid)"
    )
    assert held(tmp_path, code) == {"end": "exited", "exit_code": 0}
    assert not psutil.pid_exists(int((tmp_path / "out").read_text(encoding="utf-8")))


RELAYS = """
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
until_s = time.monotonic() + 20
print(os.getpid(), flush=True)
for _ in range(3):
    if os.fork() == 0:
        while os.fork() == 0 and time.monotonic() < until_s:
            pass
        os._exit(0)
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="a job object ends all that is in it at once")
def test_what_forks_and_dies_all_the_time_is_ended(tmp_path: Path) -> None:
    assert held(tmp_path, RELAYS, seconds=1.0)["end"] == "deadline"
    group = (tmp_path / "out").read_text(encoding="utf-8").split()[0]
    give_up = time.monotonic() + 0.5
    while time.monotonic() < give_up:
        assert not [stat for stat in Path("/proc").glob("[0-9]*/stat") if is_alive_in(group, stat)]


def is_alive_in(group: str, stat: Path) -> bool:
    try:
        state, _, its_group, *_ = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return its_group == group and state not in "ZX"


OVERSEEN = """
import itertools, sys
from llm_loop.system import platform_posix
looks, real = itertools.count(), platform_posix._family
platform_posix._family = lambda pid: [] if next(looks) == int(sys.argv[5]) else real(pid)
"""


@pytest.mark.skipif(os.name == "nt", reason="a job object ends all that is in it at once")
@pytest.mark.parametrize("look", [0, 1, 2])
def test_a_child_that_one_look_misses_is_ended_all_the_same(tmp_path: Path, look: int) -> None:
    """Its parent may die between the question for our children and the one for the parent's."""
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    (tmp_path / "in").touch()
    argv = [sys.executable, "-X", "utf8", "-c", OVERSEEN + HOLD, str(tmp_path), "20", code, sys.executable, str(look)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=30, check=True)
    assert json.loads(done.stdout) == {"end": "exited", "exit_code": 0}
    assert not psutil.pid_exists(int((tmp_path / "out").read_text(encoding="utf-8")))


def test_what_cannot_be_started_is_named(tmp_path: Path) -> None:
    assert "no such program" in held(tmp_path, "", 20, str(tmp_path / "no such program"))["error"]
