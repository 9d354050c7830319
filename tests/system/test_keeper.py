"""The keeper: one command, started once, ended whole, its ending on disk."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from llm_loop.system import keeper, processes
from llm_loop.system.processes import EndCause, Keepers
from tests.conftest import eventually
from tests.system.held import (
    MARK,
    NOTHING,
    SLEEP,
    UNDER_WINE,
    UNTIL_STOPPED,
    bare_environment,
    family_of,
    held,
    is_alive,
    keeper_exit_code,
    kill,
    python,
    trainer,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
ENDED_BY_FORCE = 1 if os.name == "nt" else -9
LEAVE_A_CHILD = """
import pathlib, subprocess, sys
flags = {"creationflags": 0x208} if sys.platform == "win32" else {"start_new_session": True}
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], **flags)
pathlib.Path("pid").write_text(str(child.pid), encoding="ascii")
"""


@pytest.mark.parametrize(
    ("text", "cause", "code"),
    [
        ("", EndCause.EXITED, 0),
        ("import sys; sys.exit(7)", EndCause.EXITED, 7),
        pytest.param("import os; os.kill(os.getpid(), 9)", EndCause.SIGNALLED, -9, marks=posix_only),
    ],
)
def test_the_ending_says_how_it_came(tmp_path: Path, text: str, cause: EndCause, code: int) -> None:
    with held(tmp_path, *python(text)) as one:
        ending = one.start().ended()
        assert (ending.cause, ending.exit_code) == (cause, code)
        assert ending.started_utc is not None and ending.started_utc <= (ending.ended_utc or "")
        assert ending.duration_s is not None and 0 <= ending.duration_s < 20
        assert ending.ended_monotonic_s - ending.started_monotonic_s == pytest.approx(ending.duration_s, abs=0.002)
        assert ending.cpu_s is not None and ending.cpu_s >= 0
        if ending.peak_memory_bytes is not None or not UNDER_WINE:  # Wine does not count a job's memory
            assert ending.peak_memory_bytes > 100_000
        assert not (tmp_path / "exit.reserve").exists()
        assert ending.drive_refused is None and not (tmp_path / "exit.probe").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"drive_refused": 5}, {"detail": ["x"]}, {"exit_code": "0"}, {"exit_code": True}, {"cpu_s": float("nan")}, 7],
)
def test_what_a_run_wrote_in_the_keepers_stead_is_no_ending(tmp_path: Path, wrong: Any) -> None:
    value = {"cause": "exited", "exit_code": 0, **wrong} if isinstance(wrong, dict) else wrong
    (tmp_path / "exit.json").write_text(json.dumps(value), encoding="utf-8")
    ending = processes.read_ending(tmp_path)
    assert ending is not None and ending.cause is EndCause.KEEPER_ERROR and "is no ending" in (ending.detail or "")


def test_streams_are_raw_and_stdin_is_closed(weird_path: Path) -> None:
    question = weird_path / "question.txt"
    question.write_text("from a file ✓", encoding="utf-8")
    text = "import os, sys; sys.stdout.buffer.write(b'\\xff\\0\\r' + sys.stdin.buffer.read());"
    text += "sys.stderr.write(os.getcwd() + ' ✓')"
    with held(weird_path / "a", *python(text)) as closed:
        assert closed.start().ended().exit_code == 0
        assert (closed.folder / "out.log").read_bytes() == b"\xff\x00\r"
        assert (closed.folder / "err.log").read_text(encoding="utf-8") == f"{closed.folder} ✓"
    with held(weird_path / "b", *python(text), stdin=question) as fed:
        assert fed.start().ended().exit_code == 0
        assert (fed.folder / "out.log").read_bytes() == b"\xff\x00\r" + "from a file ✓".encode()


def test_the_environment_reaches_the_command_and_no_file(tmp_path: Path) -> None:
    with held(tmp_path, *python("import os, sys; sys.exit(os.environ['WORD'][4:] != '-sesame')")) as one:
        one.keepers.start(tmp_path, {"WORD": "open-sesame", **bare_environment()})
        assert one.ended().exit_code == 0
        assert not [file.name for file in tmp_path.iterdir() if b"open-sesame" in file.read_bytes()]


# ---------------------------------------------------------------- asked to end


def test_a_polite_trainer_writes_its_result(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("polite"), grace_s=15.0) as one:
        one.start()
        eventually(lambda: (tmp_path / "metrics.jsonl").exists())
        one.stop()
        ending = one.ended(10)
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, 0)
        assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["stopped_early"] is True


@posix_only
def test_a_command_that_knows_no_stop_file_gets_sigint(tmp_path: Path) -> None:
    with held(tmp_path, "/bin/sleep", "600", grace_s=15.0) as one:
        one.start().running()
        one.stop()
        ending = one.ended(10)
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, -signal.SIGINT)


def test_a_stubborn_trainer_is_ended_after_its_grace(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("stubborn"), grace_s=0.6) as one:
        one.start()
        eventually(lambda: (tmp_path / "metrics.jsonl").exists())
        family = family_of(one.running()["pid"])
        one.stop()
        ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, ENDED_BY_FORCE)
        assert ending.duration_s >= 0.6 and not any(map(is_alive, family))


def test_the_deadline_ends_politely_first(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("polite"), deadline_s=3.0, grace_s=15.0) as one:
        ending = one.start().ended()
        assert (ending.cause, ending.exit_code) == (EndCause.DEADLINE, 0)
        assert (tmp_path / "STOP").exists() and (tmp_path / "result.json").exists()


def test_a_stop_that_was_there_first_starts_nothing(tmp_path: Path) -> None:
    with held(tmp_path, *python(MARK), grace_s=0.1) as one:
        one.stop()
        ending = one.start().ended()
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, None)
        assert not (tmp_path / "mark").exists()


@posix_only
def test_sigterm_to_the_keeper_is_an_interruption(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("polite"), grace_s=15.0) as one:
        one.start()
        eventually(lambda: (tmp_path / "metrics.jsonl").exists())
        os.kill(one.running()["keeper_pid"], signal.SIGTERM)
        ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.INTERRUPTED, 0)
        assert (tmp_path / "result.json").exists()


@posix_only
@pytest.mark.parametrize("order", [("pid", "keeper_pid"), ("keeper_pid", "pid")])
def test_sigterm_to_all_at_once_is_an_interruption(tmp_path: Path, order: tuple[str, str]) -> None:
    with held(tmp_path, "/bin/sleep", "600") as one:
        started = one.start().running()
        for name in order:
            os.kill(started[name], signal.SIGTERM)
        assert one.ended().cause is EndCause.INTERRUPTED


@posix_only
def test_sigterm_to_the_command_alone_is_no_interruption(tmp_path: Path) -> None:
    with held(tmp_path, "/bin/sleep", "600") as one:
        os.kill(one.start().running()["pid"], signal.SIGTERM)
        ending = one.ended()
        assert (ending.cause, ending.exit_code, ending.detail) == (EndCause.SIGNALLED, -15, "signal 15")


# ---------------------------------------------------------------- the whole tree


@pytest.mark.parametrize("ended_by", ["stop", "deadline"])
def test_a_grandchild_in_its_own_session_goes_too(tmp_path: Path, ended_by: str) -> None:
    deadline_s = 4.0 if ended_by == "deadline" else None
    with held(tmp_path, *trainer("family"), grace_s=0.1, deadline_s=deadline_s) as one:
        started = one.start().running()
        eventually(lambda: (tmp_path / "family.pid").exists())
        grandchild = int((tmp_path / "family.pid").read_text(encoding="ascii"))
        family = {*family_of(started["pid"]), grandchild}
        assert is_alive(grandchild)
        if ended_by == "stop":
            one.stop()
        assert one.ended().cause is (EndCause.STOPPED if ended_by == "stop" else EndCause.DEADLINE)
        assert not any(map(is_alive, family))


def test_what_a_finished_command_leaves_running_is_ended(tmp_path: Path) -> None:
    with held(tmp_path, *python(LEAVE_A_CHILD)) as one:
        assert one.start().ended().cause is EndCause.EXITED
        assert not is_alive(int((tmp_path / "pid").read_text(encoding="ascii")))


def test_a_killed_keeper_takes_its_command_along(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("family")) as one:
        started = one.start().running()
        eventually(lambda: (tmp_path / "family.pid").exists())
        grandchild = int((tmp_path / "family.pid").read_text(encoding="ascii"))
        family = family_of(started["pid"])
        kill(started["keeper_pid"])
        eventually(lambda: not is_alive(started["pid"]))
        if os.name == "nt":
            eventually(lambda: not any(map(is_alive, [*family, grandchild])))
        else:
            assert is_alive(grandchild), "no signal reaches it; the sweep must"
        ending = one.ended()
        assert ending.cause is EndCause.LOST
        assert (tmp_path / "void.json").exists() and not (tmp_path / "exit.json").exists()
        assert not is_alive(grandchild), "lost is said only when nothing of it lives"
        assert processes.recover(tmp_path) == ending


# ---------------------------------------------------------------- started once, or not at all


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "such" / "program.exe"
    with held(tmp_path / "a", str(missing)) as no_program:
        ending = no_program.start().ended()
        assert ending.cause is EndCause.START_FAILED and str(missing) in (ending.detail or "")
    with held(tmp_path / "b", *NOTHING, cwd=tmp_path / "gone") as no_folder:
        ending = no_folder.start().ended()
        assert ending.cause is EndCause.START_FAILED and str(tmp_path / "gone") in (ending.detail or "")


def test_a_long_strange_detail_still_parses(tmp_path: Path) -> None:
    with held(tmp_path, "/" + "\N{ROCKET}" * 700) as one:
        ending = one.start().ended()
        assert ending.cause is EndCause.START_FAILED and ending.detail is not None


def test_a_spec_that_does_not_parse_is_the_keepers_error(tmp_path: Path) -> None:
    with held(tmp_path, *NOTHING) as one:
        (tmp_path / "spec.json").write_text('{"argv": ', encoding="utf-8")
        ending = one.start().ended()
        assert ending.cause is EndCause.KEEPER_ERROR and "JSONDecodeError" in (ending.detail or "")


@pytest.mark.parametrize("mark", ["void.json", "exit.json"])
def test_nothing_starts_where_it_is_over(tmp_path: Path, mark: str) -> None:
    with held(tmp_path, *python(MARK)) as one:
        (tmp_path / mark).write_text('{"cause": "exited", "exit_code": 0}', encoding="utf-8")
        assert keeper_exit_code(tmp_path) == 3
        assert not (tmp_path / "mark").exists() and not (tmp_path / "started.json").exists()
        assert one.ended().cause is (EndCause.VOID if mark == "void.json" else EndCause.EXITED)


def test_two_keepers_start_one_command(tmp_path: Path) -> None:
    with held(tmp_path, *python("print(1, file=open('marks', 'a'))\n" + UNTIL_STOPPED)) as one:
        other = Keepers()
        one.start().start(other)
        one.running()
        assert keeper_exit_code(tmp_path) == 3
        one.stop()
        assert one.ended() == eventually(lambda: other.poll(tmp_path, 0.0))
        assert len((tmp_path / "marks").read_text(encoding="ascii").split()) == 1
        eventually(lambda: other.reap() or not other._own)


def test_a_keeper_is_small(tmp_path: Path) -> None:
    with held(tmp_path, *SLEEP, grace_s=0.1) as one:
        keeper = psutil.Process(one.start().running()["keeper_pid"])
        assert keeper.memory_info().rss < (60_000_000 if UNDER_WINE else 15_000_000)
        one.stop()
        one.ended()


def test_an_ending_is_written_though_a_scanner_holds_the_reserve(tmp_path: Path) -> None:
    with held(tmp_path, *python(UNTIL_STOPPED + "sys.exit(4)")) as one:
        one.start().running()
        eventually((tmp_path / "ready").exists)
        with (tmp_path / "exit.reserve").open("rb"):
            one.stop()
            ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, 4)


AWAKE = """
import importlib, os, pathlib, sys
sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))
import keeper
platform = importlib.import_module("platform_windows" if os.name == "nt" else "platform_posix")
asked = []
def keep_awake(awake):
    asked.append(awake)
    pathlib.Path("asked").write_text(" ".join(map(str, asked)))
platform.keep_awake = keep_awake
sys.exit(keeper.main(sys.argv[2]))
"""


def test_a_keeper_keeps_the_machine_awake_while_a_run_trains_and_lets_go_after(tmp_path: Path) -> None:
    """Whatever becomes of the daemon: the wish is the keeper's own, and a killed keeper's ends with it too."""
    training = "import pathlib; pathlib.Path('meanwhile').write_text(pathlib.Path('asked').read_text())"
    with held(tmp_path, *python(training)) as one:
        argv = python(AWAKE, str(processes._KEEPER), str(tmp_path))
        assert subprocess.run(argv, cwd=tmp_path, timeout=20, check=False).returncode == 0
        assert one.ended().cause is EndCause.EXITED
    assert (tmp_path / "meanwhile").read_text(encoding="utf-8") == "True"
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "True False"


def test_a_clock_that_jumps_breaks_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day later within a look, then a day earlier: the deadline of one second stands."""

    class Tree:
        def __init__(self) -> None:
            self.interrupted = False

        def wait(self, seconds: float) -> bool:
            time.sleep(seconds)
            return self.interrupted

        def interrupt(self) -> None:
            self.interrupted = True

    real, jumps = time.time, itertools.cycle([86400.0, -86400.0])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    spec = {"deadline_s": 1.0, "stop_file": os.devnull + "-no", "grace_s": 0.5}
    began = time.perf_counter()
    monkeypatch.setattr(keeper, "_touch", lambda path: None)
    assert keeper._wait(spec, Tree(), []) == "deadline"
    assert 1.0 <= time.perf_counter() - began < 3.0


def test_the_middle_of_a_log_without_end_is_given_up(tmp_path: Path) -> None:
    write = "import sys, time\nprint('first', flush=True)\n"
    write += "for _ in range(60):\n    sys.stdout.write('x' * 100_000); sys.stdout.flush(); time.sleep(0.05)\n"
    with held(tmp_path / "run", *python(write + "print('last')"), log_max_bytes=1_000_000) as one:
        one.start()
        assert one.ended().cause is EndCause.EXITED
    log = tmp_path / "run" / "out.log"
    text = log.read_bytes()
    assert len(text) > 6_000_000 and text.startswith(b"first") and b"last" in text[-10:]
    if os.name != "nt" and processes.platform.free_range(str(log), 0, 4096):  # where the file system can
        assert log.stat().st_blocks * 512 < 3_500_000, "a look a second, at two megabytes a second"
