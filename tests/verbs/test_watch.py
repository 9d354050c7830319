"""``llm-loop watch``: lines in a pipe, one view with --once, and the view that a start shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_loop.cli import build_parser
from llm_loop.system.clock import SystemClock
from llm_loop.verbs.watch import accompany
from llm_loop.views.lines import PlainLines
from llm_loop.views.reading import SnapshotReader
from tests.conftest import TestClock
from tests.views.lock_holder import hold_lock
from tests.views.workspace_builder import WorkspaceBuilder

LONG_AGO = 1_000_000_000


@contextmanager
def watching(workspace: Path, environ: dict[str, str], *flags: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "watch", *flags]
    process = subprocess.Popen(
        argv, env=environ, text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("interval", ["4.9", "0", "-1", "nan", "soon"])
def test_an_interval_below_the_floor_is_refused(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        build_parser().parse_args(["watch", "--interval", interval])
    assert refused.value.code == 2 and "from 5 on" in capsys.readouterr().err


def test_once_prints_one_view(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    WorkspaceBuilder(tmp_path).beat("stopped", reason="done")
    with watching(tmp_path, clean_environ, "--once") as process:
        page, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert "stopped" in page and "done" in page


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_a_pipe_gets_lines_until_ctrl_c(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    workspace.ledger.record("notice", text="before")
    with watching(tmp_path, clean_environ) as process:
        assert process.stdout is not None
        while "before" not in process.stdout.readline():
            pass
        workspace.ledger.record("notice", text="after")
        while "after" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_an_attached_view_outlives_ctrl_c_and_ends_with_its_daemon(
    tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.ledger.record("daemon_started", pid=daemon.pid, version="0.1.0", python="3.11")
        workspace.beat(pid=daemon.pid)
        with watching(tmp_path, clean_environ, "--attached", str(daemon.pid)) as process:
            assert process.stdout is not None
            while "loop started" not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGINT)
            workspace.beat("ending", pid=daemon.pid, reason="Ctrl-C")
            while "ending: Ctrl-C" not in process.stdout.readline():
                pass
            workspace.ledger.record("daemon_ended", reason="Ctrl-C", ending="polite", exit_code=0)
            workspace.beat("stopped", pid=daemon.pid, reason="Ctrl-C")
            rest, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "") and "loop ended: Ctrl-C" in rest


def test_an_attached_view_ends_when_its_daemon_is_killed(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.beat(pid=daemon.pid)
        with watching(tmp_path, clean_environ, "--attached", str(daemon.pid)) as process:
            assert process.stdout is not None and "Workspace" in process.stdout.readline()
            daemon.kill()
            daemon.wait(10)
            rest, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "") and "loop dead" in rest


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is made by a POSIX shell")
def test_a_closed_output_ends_the_watch(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with watching(tmp_path, clean_environ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        workspace.ledger.record("notice", text="nobody reads this")
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX terminal")
@pytest.mark.parametrize("flags", [["--interval", "5"], ["--attached", "PID"]])
def test_a_narrow_terminal(flags: list[str], tmp_path: Path, clean_environ: dict[str, str]) -> None:
    import fcntl
    import pty
    import struct
    import termios

    workspace = WorkspaceBuilder(tmp_path)
    workspace.launch(workspace.stage("a-label-that-is-longer-than-the-terminal-is-wide"))
    workspace.save()
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 40, 0, 0))
    environ = {name: value for name, value in clean_environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.beat(pid=daemon.pid)
        argv = [sys.executable, "-m", "llm_loop", "--workspace", str(tmp_path), "watch"]
        argv += [flag.replace("PID", str(daemon.pid)) for flag in flags]
        process = subprocess.Popen(argv, env=environ | {"TERM": "xterm"}, stdout=terminal, stderr=terminal)
        os.close(terminal)
        seen = b""
        while b"R0001" not in seen:
            seen += os.read(controller, 10_000)
        if "--attached" in flags:
            workspace.beat("stopped", pid=daemon.pid, reason="done")
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(controller)
    rows = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).splitlines()
    assert max(map(len, rows)) <= 40 and "Traceback" not in seen.decode()


# ---------------------------------------------------------------- when an attached view ends, step by step


class SteppedClock(TestClock):
    """Do the next thing at each sleep; fail the test when a view goes on without an end."""

    def __init__(self, *steps: object) -> None:
        super().__init__()
        self._utc = SystemClock().utc_now()
        self.steps = list(steps)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        assert self.steps, "the view did not end"
        step = self.steps.pop(0)
        assert callable(step)
        step()


def _accompany(workspace: WorkspaceBuilder, clock: SteppedClock, pid: int) -> list[str]:
    said: list[str] = []
    view = PlainLines(workspace.paths, said.append, attached=pid)
    accompany(SnapshotReader(workspace.paths, SystemClock(), {}), view, clock, pid)
    return said


def test_a_heartbeat_of_an_earlier_daemon_with_the_same_pid_ends_no_view(tmp_path: Path) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.beat("stopped", pid=daemon.pid, updated_utc="2026-01-02T03:04:05Z")
        os.utime(workspace.paths.instance_lock, (LONG_AGO, LONG_AGO))  # as where a lock's time of change comes late
        clock = SteppedClock(
            lambda: workspace.beat(pid=daemon.pid), lambda: workspace.beat("stopped", pid=daemon.pid, reason="done")
        )
        _accompany(workspace, clock, daemon.pid)
    assert clock.steps == []


def test_a_daemon_that_ended_before_the_first_look(tmp_path: Path) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.beat("stopped", pid=daemon.pid, reason="done at once")
        _accompany(workspace, SteppedClock(), daemon.pid)


def test_another_daemon_in_its_place_ends_the_view(tmp_path: Path) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    with hold_lock(workspace.paths.instance_lock) as daemon:
        workspace.beat(pid=daemon.pid)
        clock = SteppedClock(lambda: workspace.beat(pid=daemon.pid + 1))
        _accompany(workspace, clock, daemon.pid)
    assert clock.steps == []
