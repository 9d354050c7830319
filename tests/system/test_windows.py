"""What only Windows has: job objects, console events, launchers, a machine that is asked to stay awake."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_loop.system import processes
from llm_loop.system.processes import EndCause
from tests.conftest import REPOSITORY, eventually
from tests.system.held import REAL_PYTHON, SLEEP, UNTIL_STOPPED, family_of, held, is_alive, kill, python, trainer

pytestmark = pytest.mark.skipif(os.name != "nt", reason="these are calls of Windows")

KILL_ON_CLOSE, BREAKAWAY_OK, SILENT_BREAKAWAY_OK = 0x2000, 0x0800, 0x1000
# A daemon inside the job of the program that started it: it starts a keeper, tells its notice, and is ended.
IN_A_JOB = """
import ctypes, os, sys
from ctypes import wintypes
from pathlib import Path
from llm_loop.system import platform_windows as windows
from llm_loop.system.processes import Keepers
kernel = windows._kernel()
job = kernel.CreateJobObjectW(None, None)
limits = windows._ExtendedLimits()
limits.BasicLimitInformation.LimitFlags = int(sys.argv[2])
assert kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
assert kernel.AssignProcessToJobObject(job, wintypes.HANDLE(-1))
notice = Keepers().start(Path(sys.argv[1]), os.environ)
Path(sys.argv[1], "notice").write_text(str(notice), encoding="utf-8")
sys.stdin.read()
"""


@contextmanager
def daemon_in_a_job(folder: Path, tag: str, flags: int) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "LLM_LOOP_RUN": tag, "PYTHONPATH": str(REPOSITORY)}
    argv = [REAL_PYTHON, "-X", "utf8", "-c", IN_A_JOB, str(folder), str(flags)]
    process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("flags", [KILL_ON_CLOSE | BREAKAWAY_OK, KILL_ON_CLOSE | SILENT_BREAKAWAY_OK])
def test_a_keeper_breaks_away_from_the_job_of_its_daemon(tmp_path: Path, flags: int) -> None:
    with held(tmp_path, *python(UNTIL_STOPPED + "sys.exit(4)")) as one:
        with daemon_in_a_job(tmp_path, one.tag, flags):
            started = one.running()
            assert eventually((tmp_path / "notice").exists)
        assert (tmp_path / "notice").read_text(encoding="utf-8") == "None"
        time.sleep(0.3)  # the job is closed: what was in it is gone
        assert is_alive(started["keeper_pid"]) and is_alive(started["pid"])
        one.stop()
        assert one.ended().exit_code == 4


def test_a_keeper_that_may_not_break_away_says_so(tmp_path: Path) -> None:
    with held(tmp_path, *SLEEP) as one:
        with daemon_in_a_job(tmp_path, one.tag, KILL_ON_CLOSE):
            started = one.running()
            eventually(lambda: (tmp_path / "notice").exists() and (tmp_path / "notice").stat().st_size > 4)
            assert "could not break away" in (tmp_path / "notice").read_text(encoding="utf-8")
            assert is_alive(started["keeper_pid"]), "it works all the same"
            family = family_of(started["keeper_pid"])
        eventually(lambda: not any(map(is_alive, family)))
        assert one.ended().cause is EndCause.LOST


def test_launcher_interpreter_and_grandchildren_are_one_tree(tmp_path: Path) -> None:
    with held(tmp_path, *trainer("family"), grace_s=0.1) as one:
        started = one.start().running()
        eventually(lambda: (tmp_path / "family.pid").exists())
        family = family_of(started["pid"])
        if sys.executable != REAL_PYTHON:
            assert len(family) >= 4, "launcher and interpreter, twice"
        eventually(lambda: (tmp_path / "metrics.jsonl").exists())
        one.stop()
        ending = one.ended()
        assert (ending.cause, ending.exit_code) == (EndCause.STOPPED, 1)
        assert not any(map(is_alive, family))


def test_a_killed_keepers_tree_ends_though_another_process_holds_its_job(tmp_path: Path) -> None:
    """Nothing but the sweep ends it then; lost is said when nothing of it lives."""
    with held(tmp_path, *trainer("family")) as one:
        started = one.start().running()
        eventually(lambda: (tmp_path / "family.pid").exists())
        family = family_of(started["pid"])
        kernel = processes.platform._kernel()
        job = kernel.OpenJobObjectW(0x1F001F, False, processes.platform._job_name(one.tag))
        assert job
        try:
            kill(started["keeper_pid"])
            eventually(lambda: not processes.platform.is_locked(tmp_path / "keeper.lock"))
            assert all(map(is_alive, family)), "the job is open still"
            assert one.ended().cause is EndCause.LOST
            assert not any(map(is_alive, family))
        finally:
            kernel.CloseHandle(job)


def test_a_command_is_in_its_job_before_it_can_run(tmp_path: Path) -> None:
    """One that was never let go ends with the job's last handle: a keeper may be killed at any instruction."""
    platform, suspended = processes.platform, 0x00000004
    tree = platform.ProcessTree()
    with (tmp_path / "out").open("w+b") as stream:
        child = platform._create_process(SLEEP, str(tmp_path), [stream] * 3, None, suspended, tree._job)
    assert platform._living(tree._job) == 1 and is_alive(child.pid)
    platform._kernel().CloseHandle(tree._job)
    eventually(lambda: not is_alive(child.pid))


KILLED_WHILE_STARTING = """
import os, sys
from pathlib import Path
from llm_loop.system import platform_windows as windows
real = windows._create_process
def killed_in_the_middle(argv, cwd, streams, env, flags, job):
    child = real(argv, cwd, streams, env, flags | 0x00000004, job)  # suspended, as Windows itself makes each at first
    Path(sys.argv[1]).write_text(str(child.pid))
    windows._kernel().TerminateProcess(-1, 1)
windows._create_process = killed_in_the_middle
windows.start_detached([sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
"""


def test_a_daemon_killed_while_it_starts_a_keeper_leaves_none_that_never_runs(
    tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    argv = [REAL_PYTHON, "-X", "utf8", "-c", KILLED_WHILE_STARTING, str(tmp_path / "pid")]
    assert subprocess.run(argv, env=clean_environ, timeout=30, check=False).returncode == 1
    pid = int((tmp_path / "pid").read_text(encoding="ascii"))
    eventually(lambda: not is_alive(pid))


def test_without_job_lists_a_command_is_put_into_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows before 10 knows none."""
    platform = processes.platform
    monkeypatch.setattr(platform, "_ATTRIBUTE_JOB_LIST", 0x0002FFFF)
    tree = platform.ProcessTree()
    with (tmp_path / "out").open("w+b") as out, Path(os.devnull).open("rb") as nothing:
        env = {**os.environ, "GREETING": "grüße \N{ROCKET}"}
        text = "import os; print(os.environ['GREETING'])"
        tree.start(python(text), str(tmp_path), nothing, out, out, env)
        assert platform._living(tree._job) >= 1
        assert tree.wait(20) and tree.exit_code() == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == "grüße \N{ROCKET}\n"
    tree.end_all()


def test_an_exit_code_of_259_is_no_life() -> None:
    """259 is what Windows answers for a process that runs."""
    process = subprocess.Popen([REAL_PYTHON, "-I", "-S", "-c", "import sys; sys.exit(259)"])
    assert process.wait(20) == 259
    assert processes.platform.process_identity(process.pid) is None, "its handle is held, it lives no more"


def test_identity_holds_the_creation_time() -> None:
    identity = processes.platform.process_identity(os.getpid())
    pid, created = (identity or "").split(":")
    assert int(pid) == os.getpid()
    began_s = int(created) / 1e7 - 11_644_473_600  # FILETIME counts from 1601
    assert time.time() - 24 * 3600 < began_s <= time.time() + 1


# ---------------------------------------------------------------- the call that the code makes


def test_a_keeper_is_asked_for_without_console_and_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detached, in a group of its own, away from the job; where that is refused, all but the last, and it is said."""
    asked: list[int] = []

    def refuse_to_break_away(argv: list[str], cwd: None, streams: object, env: object, flags: int, job: int) -> str:
        asked.append(flags)
        if flags & 0x01000000:
            raise PermissionError(13, "Access is denied")
        return "started"

    monkeypatch.setattr(processes.platform, "_create_process", refuse_to_break_away)
    process, notice = processes.platform.start_detached(["keeper"], {})
    assert process == "started" and "could not break away" in (notice or "")
    detached = 0x00000008 | 0x00000200
    assert asked == [detached | 0x01000000] * 2 + [detached], "in a job of ours, then without; then inside this job"


@pytest.mark.parametrize(("event", "gesture"), [(2, "closed"), (5, "shutdown"), (6, "shutdown"), (0, None), (1, None)])
def test_a_console_event_is_a_gesture(event: int, gesture: str | None) -> None:
    seen: list[str] = []
    began = time.monotonic()
    handled = processes.platform._console_handler(seen.append, wait_s=0.2)(event)
    assert (seen, bool(handled)) == ([gesture] if gesture else [], gesture is not None)
    if gesture:
        assert time.monotonic() - began >= 0.15, "Windows ends the process when the handler returns"


def test_who_listens_asks_windows_for_console_events(monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    asked: list[tuple[Any, bool]] = []
    real = processes.platform._kernel()

    class Kernel:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def SetConsoleCtrlHandler(self, handler: Any, add: bool) -> int:
            asked.append((handler, add))
            return 1

    numbers = (signal.SIGINT, signal.SIGBREAK)
    before = [signal.getsignal(number) for number in numbers]
    monkeypatch.setattr(processes.platform, "_kernel", Kernel)
    monkeypatch.setattr(processes.platform, "_CONSOLE_PATIENCE_S", 0.0)
    seen: list[str] = []
    try:
        processes.listen(seen.append)
        for number in numbers:
            signal.raise_signal(number)
        assert seen == ["interrupt", "interrupt"]
        ((handler, add),) = asked
        assert add is True
        handler(6)
        assert seen[2:] == ["shutdown"]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_the_machine_is_kept_awake_and_let_go() -> None:
    """The call answers with the wish that stood before."""
    ask: Callable[[int], int] = processes.platform._kernel().SetThreadExecutionState
    processes.platform.keep_awake(True)
    assert ask(0x80000001) & 0x00000001, "the system was asked to stay awake"
    processes.platform.keep_awake(False)
    assert not ask(0x80000000) & 0x00000001, "and let go"
