"""Steps are done once, go on where they broke, and start anew where the environment itself is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from environments import steps as steps_module
from environments.problem import SetupProblem
from environments.set_up_lock import holder, only_one
from environments.stamps import Stamps, fingerprint
from environments.steps import Step, do_steps, due_steps
from environments.virtualenv import answers, create, explain_venv, interpreter


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real environments, but without pip: a tenth of a second instead of three."""

    def create_bare(folder: Path) -> None:
        argv = [sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)

    monkeypatch.setattr(steps_module, "create", create_bare)


class Work:
    """Three steps that note when they are done; one of them may fail."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails: str | None = None

    def steps(self, *marks: str) -> list[Step]:
        return [self.step(name, mark) for name, mark in zip("abc", marks or ("1", "1", "1"), strict=False)]

    def step(self, name: str, mark: str) -> Step:
        def do() -> None:
            if name == self.fails:
                raise SetupProblem("broke", "mend it")
            self.done.append(name)

        return Step(name=name, mark=mark, tells=f"doing {name}", do=do)


def test_a_second_call_goes_on_where_the_first_broke(bare, hostile_folder):
    folder, work = hostile_folder / ".venv", Work()
    work.fails = "b"
    with pytest.raises(SetupProblem):
        do_steps(folder, work.steps(), print)
    assert work.done == ["a"]
    work.fails = None
    do_steps(folder, work.steps(), print)
    assert work.done == ["a", "b", "c"]
    assert due_steps(folder, work.steps()) == []


def test_only_what_changed_is_done_again(bare, hostile_folder):
    folder, work = hostile_folder / ".venv", Work()
    do_steps(folder, work.steps(), print)
    do_steps(folder, work.steps("1", "2", "1"), print)
    assert work.done == ["a", "b", "c", "b"]


def test_a_step_that_broke_while_done_again_is_due(bare, hostile_folder):
    folder, work = hostile_folder / ".venv", Work()
    do_steps(folder, work.steps(), print)
    work.fails = "b"
    with pytest.raises(SetupProblem):
        do_steps(folder, work.steps("1", "2", "1"), print)
    assert [step.name for step in due_steps(folder, work.steps())] == ["b"]


def test_an_environment_whose_python_is_gone_is_made_again(bare, hostile_folder):
    folder, work = hostile_folder / ".venv", Work()
    do_steps(folder, work.steps(), print)
    interpreter(folder).unlink()
    assert [step.name for step in due_steps(folder, work.steps())] == ["a", "b", "c"]
    do_steps(folder, work.steps(), print)
    assert work.done == ["a", "b", "c"] * 2
    assert answers(folder)


def test_a_half_made_environment_is_no_environment(bare, hostile_folder):
    folder, work = hostile_folder / ".venv", Work()
    steps_module.create(folder)  # made, but never marked as finished
    assert len(due_steps(folder, work.steps())) == 3


def test_a_torn_file_of_marks_means_that_nothing_is_finished(tmp_path):
    (tmp_path / "llm_loop_setup.json").write_text('{"created": "1", "a": "1', encoding="utf-8")
    assert Stamps(tmp_path).read("created") is None


def test_a_foreign_folder_is_not_touched(tmp_path):
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / "thesis.txt").write_text("do not lose this", encoding="utf-8")
    with pytest.raises(SetupProblem, match="in the way"):
        create(folder)
    assert (folder / "thesis.txt").exists()


@pytest.mark.slow
def test_leftovers_without_a_file_are_made_anew(hostile_folder):
    folder = hostile_folder / ".venv"
    (folder / "bin").mkdir(parents=True)
    create(folder)
    assert answers(folder)


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        (
            "The virtual environment was not created successfully because ensurepip is not\n"
            "available.  On Debian/Ubuntu systems, you need to install the python3-venv\n"
            "package using the following command.\n",
            "-venv",
        ),
        ("Error: [Errno 30] Read-only file system: '/x/.venv'\n", "may write to"),
        ("Error: [Errno 28] No space left on device\n", "Free some space"),
        ("Error: the sky\n", "Delete"),
    ],
)
def test_what_venv_says_becomes_one_line(said, mend, tmp_path):
    line = str(explain_venv(said, tmp_path))
    assert mend in line
    assert "\n" not in line


def test_fingerprint_tells_parts_apart(tmp_path):
    file = tmp_path / "x"
    file.write_text("1", encoding="utf-8")
    before = fingerprint(file, "a")
    assert before == fingerprint(file, "a")
    assert before != fingerprint(file, "b")
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    file.write_text("2", encoding="utf-8")
    assert before != fingerprint(file, "a")


HOLD = """
import os, sys, pathlib
sys.path.insert(0, sys.argv[1])
from environments.set_up_lock import only_one
with only_one(pathlib.Path(sys.argv[2]), print):
    print("held by", os.getpid(), flush=True)
    sys.stdin.readline()
"""


PIP_HANGS = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import bootstrap
from environments.pip_run import run_pip
from environments.set_up_lock import only_one
bootstrap._end_in_order_on_signals()
with only_one(pathlib.Path(sys.argv[2]), print):
    run_pip(sys.argv[3:], ["install"], cwd=pathlib.Path.cwd(), log=pathlib.Path(sys.argv[2] + ".log"), say=print)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows hands no lock on, and knows no such signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM] if sys.platform != "win32" else [])
def test_a_pip_left_behind_still_holds_the_lock(number, tmp_path, fake_pip):
    lock = tmp_path / "lock"
    fake_pip.will({"match": "install", "hang_s": 2.5})
    argv = [sys.executable, "-c", PIP_HANGS, str(Path(steps_module.__file__).parent.parent), str(lock), *fake_pip.argv]
    with subprocess.Popen(argv) as process:
        deadline = time.monotonic() + 20
        while not fake_pip.calls() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        process.wait(timeout=20)
    began = time.monotonic()
    if number == signal.SIGKILL:
        with pytest.raises(TimeoutError), only_one(lock, print, wait_s=0.2):
            pytest.fail("pip is still at work")
    with only_one(lock, print, wait_s=20):
        waited = time.monotonic() - began
    assert (waited > 0.5) is (number == signal.SIGKILL)


def test_two_set_ups_wait_for_each_other_and_a_killed_one_frees_the_way(tmp_path):
    lock = tmp_path / "lock"
    scripts = str(Path(steps_module.__file__).parent.parent)
    argv = [sys.executable, "-c", HOLD, scripts, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        words = other.stdout.readline().split()
        pid = words[-1]  # on Windows Popen knows that of the environment's launcher alone
        assert words == ["held", "by", pid]
        assert holder(lock) == pid
        said: list[str] = []
        with pytest.raises(TimeoutError, match=pid), only_one(lock, said.append, wait_s=0.1):
            pytest.fail("both hold the lock")
        assert pid in said[0]
        kill = getattr(signal, "SIGKILL", signal.SIGTERM)
        threading.Timer(0.3, os.kill, (int(pid), kill)).start()
        began = time.monotonic()
        with only_one(lock, said.append, wait_s=20):
            assert time.monotonic() - began < 10
