"""Jobs: slow work of our own in children, whose every end is known, also when a daemon or a keeper dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llm_loop.errors import FileWriteError
from llm_loop.system import jobs as module
from llm_loop.system.jobs import JobOutcome, Jobs
from llm_loop.system.processes import Keepers
from tests.conftest import REPOSITORY, eventually

JOB = """\
import json, os, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
asked = json.loads((folder / "request.json").read_text())
note = Path(asked["notes"])
with note.open("a") as stream:
    stream.write(f"start {asked['name']}\\n")
give_up = time.monotonic() + asked.get("seconds", 0)
while time.monotonic() < give_up:
    time.sleep(0.02)
with note.open("a") as stream:
    stream.write(f"end {asked['name']}\\n")
(folder / "answer.json").write_text(asked.get("answer", '{"done": true}'))
sys.exit(asked.get("exit", 0))
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Jobs]]:
    """A maker of daemons' jobs, all of one workspace; ``a_job`` is a module that they can start."""
    (tmp_path / "a_job.py").write_text(JOB, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made: list[tuple[Jobs, Keepers]] = []

    def maker() -> Jobs:
        keepers = Keepers()
        made.append((Jobs(keepers, tmp_path / "jobs"), keepers))
        return made[-1][0]

    yield maker
    for jobs, keepers in made:
        jobs.end_all()
        eventually(lambda keepers=keepers: all(one.poll() is not None for one in keepers._own.values()))


def ask(jobs: Jobs, tmp_path: Path, name: str, deadline_s: float = 20.0, job: str = "a_job", **more: object) -> None:
    jobs.open(name, job, {"name": name, "notes": str(tmp_path / "notes.txt"), **more}, deadline_s)


def answer_of(jobs: Jobs, name: str, seconds: float = 20.0) -> JobOutcome:
    found: JobOutcome = eventually(lambda: jobs.take(name, time.monotonic()), seconds)
    return found


def notes(tmp_path: Path) -> list[str]:
    path = tmp_path / "notes.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_an_answer_is_taken_once_and_nothing_is_left(make: Callable[[], Jobs], tmp_path: Path) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one")
    assert answer_of(jobs, "one") == JobOutcome(answer={"done": True})
    assert not jobs.is_open("one")
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"exit": 1}, "exit code 1"),
        ({"answer": "{damaged"}, "no answer"),
        ({"answer": "[]"}, "no JSON object"),
        ({"job": "there_is_no_such_module"}, "exit code 1"),
    ],
    ids=["fails", "damaged", "no object", "no module"],
)
def test_a_broken_job_says_why(make: Callable[[], Jobs], tmp_path: Path, more: dict[str, object], why: str) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one", **more)  # type: ignore[arg-type]
    outcome = answer_of(jobs, "one")
    assert outcome.answer is None
    assert why in str(outcome.why)
    assert not outcome.is_late
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_job_beyond_its_deadline_is_late(make: Callable[[], Jobs], tmp_path: Path) -> None:
    jobs = make()
    ask(jobs, tmp_path, "slow", deadline_s=0.3, seconds=60)
    outcome = answer_of(jobs, "slow")
    assert outcome.is_late
    assert str(outcome.why).startswith("ended with deadline")


def test_a_disk_that_refuses_is_an_outcome(make: Callable[[], Jobs], tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be", encoding="utf-8")
    jobs = make()
    ask(jobs, tmp_path, "one")
    assert "cannot write" in str(answer_of(jobs, "one").why)


def test_an_ending_that_cannot_be_written_down_holds_nobody_up(
    make: Callable[[], Jobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one")

    def refuses(*_: object) -> None:
        raise FileWriteError(tmp_path, "write", OSError(28, "No space left on device"))

    monkeypatch.setattr(jobs._keepers, "poll", refuses)  # the keeper is gone, and the disk is full
    assert "No space left" in str(answer_of(jobs, "one").why)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL of a keeper, SIGSTOP")
def test_a_killed_keeper_is_an_outcome(make: Callable[[], Jobs], tmp_path: Path) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one", seconds=60)
    os.kill(keeper_of(tmp_path), signal.SIGKILL)
    assert str(answer_of(jobs, "one").why).startswith("ended with lost")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL of a keeper, SIGSTOP")
def test_a_keeper_that_is_stuck_is_not_waited_for(
    make: Callable[[], Jobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BEYOND_DEADLINE_S", 0.3)
    jobs = make()
    ask(jobs, tmp_path, "one", deadline_s=3.0, seconds=60)  # it is at work by then
    keeper = keeper_of(tmp_path)
    os.kill(keeper, signal.SIGSTOP)
    try:
        assert answer_of(jobs, "one").is_late
    finally:
        os.kill(keeper, signal.SIGCONT)


def keeper_of(tmp_path: Path) -> int:
    eventually(lambda: notes(tmp_path))
    (started,) = (tmp_path / "jobs").glob("*/started.json")
    return int(json.loads(started.read_text(encoding="utf-8"))["keeper_pid"])


def test_nothing_starts_before_the_job_of_a_dead_daemon_has_ended(make: Callable[[], Jobs], tmp_path: Path) -> None:
    """Both may work in one checkout: who comes second must find it as the first has left it."""
    died = leave_a_job(tmp_path, seconds=60)
    jobs = make()
    jobs.forget_old()
    ask(jobs, tmp_path, "new")
    assert answer_of(jobs, "new") == JobOutcome(answer={"done": True})
    assert notes(tmp_path) == ["start left", "start new", "end new"], "the job that was left was ended, not finished"
    assert not psutil.pid_exists(died)
    make().forget_old()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_job_of_a_dead_daemon_that_does_not_end_is_not_waited_for_for_ever(
    make: Callable[[], Jobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEFT_PATIENCE_S", 0.3)
    monkeypatch.setattr(module, "_ask_to_end", lambda folder: None)
    leave_a_job(tmp_path, seconds=2)
    jobs = make()
    jobs.forget_old()
    ask(jobs, tmp_path, "new")
    assert "earlier start" in str(answer_of(jobs, "new").why)
    assert "start new" not in notes(tmp_path)
    eventually(lambda: "end left" in notes(tmp_path))


def leave_a_job(tmp_path: Path, seconds: float) -> int:
    """Let another daemon open a job and die; return the pid of that daemon."""
    code = (
        "import os, sys, json; from pathlib import Path\n"
        "from llm_loop.system.jobs import Jobs; from llm_loop.system.processes import Keepers\n"
        f"jobs = Jobs(Keepers(), Path({str(tmp_path / 'jobs')!r}))\n"
        f"question = {{'name': 'left', 'notes': {str(tmp_path / 'notes.txt')!r}, 'seconds': {seconds}}}\n"
        "jobs.open('left', 'a_job', question, 60.0)\n"
        "os._exit(0)\n"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(tmp_path)])}
    with subprocess.Popen([sys.executable, "-X", "utf8", "-c", code], env=environ) as daemon:
        daemon.wait(30)
    eventually(lambda: notes(tmp_path))
    return daemon.pid


def test_a_job_that_is_dropped_gives_no_answer_to_the_next_of_its_name(
    make: Callable[[], Jobs], tmp_path: Path
) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one", seconds=60)
    eventually(lambda: notes(tmp_path) == ["start one"])
    jobs.drop("one")
    assert not jobs.is_open("one")
    ask(jobs, tmp_path, "one", answer='{"second": true}')
    assert answer_of(jobs, "one").answer == {"second": True}
    assert notes(tmp_path) == ["start one", "start one", "end one"], "the first was ended before the second began"


def test_at_the_end_nothing_works_on(make: Callable[[], Jobs], tmp_path: Path) -> None:
    jobs = make()
    ask(jobs, tmp_path, "one", seconds=60)
    eventually(lambda: notes(tmp_path))
    jobs.end_all()
    assert not [
        one
        for one in psutil.Process().children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE and "keeper.py" in " ".join(one.cmdline())
    ]
