"""Run pip in an environment: progress in few lines, everything in a log, a deadline, one line on failure."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from environments.pip_errors import explain
from environments.problem import SetupProblem

DEADLINE_S = 3600.0
_TICK_S = 15.0
if sys.platform == "win32":
    _NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _NEW_GROUP = 0
_IGNORED_SETTINGS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REPORT", "PIP_QUIET", "PIP_VERBOSE", "PIP_LOG")

Say = Callable[[str], None]


def run_pip(
    pip: Sequence[str], arguments: Sequence[str], *, cwd: Path, log: Path, say: Say, deadline_s: float = DEADLINE_S
) -> None:
    """Run `pip ARGUMENTS` in the folder `cwd` and return when it succeeded.

    `pip` is the argv that starts pip (`[python, "-m", "pip"]`). All output is appended to `log`; `say` gets a line
    for each larger download and a sign of life every 15 s. Raises SetupProblem, also past `deadline_s` seconds.
    """
    process = _start([*pip, *arguments], cwd)
    lines: list[str] = []
    try:
        _follow(process, lines, say, time.monotonic() + deadline_s)
    except _DeadlineError:
        minutes = round(deadline_s / 60)
        raise SetupProblem(f"pip was not done after {minutes} minutes", "Check the network and run it again") from None
    finally:
        _end_tree(process)
        _append(log, f"$ pip {' '.join(arguments)}\n{''.join(lines)}\n")
    if process.returncode != 0:
        raise explain("".join(lines), process.returncode, str(log))


# the file's name up to its Python tags, and its size in MB or GB
_LARGE_DOWNLOAD = re.compile(r"Downloading (?:\S*/)?([^\s/]+?)(?:-cp\S+|-py\S+|\.tar\.gz)? \((.+ [MG]B)\)")


class _DeadlineError(Exception):
    pass


def _start(argv: list[str], cwd: Path) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if name.upper() not in _IGNORED_SETTINGS}
    environ |= {"PYTHONIOENCODING": "utf-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        close_fds=sys.platform == "win32",  # elsewhere pip inherits the lock of the set-up, and nothing else
        start_new_session=sys.platform != "win32",
        creationflags=_NEW_GROUP,
    )


def _follow(process: subprocess.Popen[str], lines: list[str], say: Say, deadline: float) -> None:
    """Collect pip's lines until it ends; tell the telling ones, and a sign of life when there are none."""
    arriving: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, arriving), daemon=True).start()
    began = said = time.monotonic()
    percent = ""
    while True:
        now = time.monotonic()
        if now > deadline:
            raise _DeadlineError
        if now - said >= _TICK_S:
            say(f"    ... {now - began:.0f} s{percent}")
            said = now
        try:
            line = arriving.get(timeout=0.5)
        except queue.Empty:
            continue
        if line is None:
            process.wait()
            return
        if line.startswith("Progress "):
            percent = _percent(line)
            continue
        lines.append(line)
        if text := condense(line):
            say(f"    {text}")
            said, percent = time.monotonic(), ""


def _read(process: subprocess.Popen[str], arriving: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        for line in stream:
            arriving.put(line)
    arriving.put(None)


def condense(line: str) -> str | None:
    """Return what is worth showing of one line of pip's output: large downloads, builds, the final installing."""
    text = line.strip()
    if found := _LARGE_DOWNLOAD.match(text):
        return f"downloading {found[1].replace('%2B', '+')} ({found[2]})"
    if found := re.match(r"Installing collected packages: (.+)", text):
        return f"installing {found[1].count(',') + 1} packages"
    if found := re.match(r"Building wheel for (\S+) .*started", text):
        return f"building {found[1]}"
    return None


def _percent(line: str) -> str:
    numbers = [int(word) for word in line.split() if word.isdigit()]
    return f", {100 * numbers[0] // numbers[1]} % of this download" if len(numbers) == 2 and numbers[1] else ""


def _end_tree(process: subprocess.Popen[str]) -> None:
    """End pip and what it started, when it is still there: after the deadline or Ctrl-C."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        argv = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def _append(log: Path, text: str) -> None:
    try:
        with log.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError:  # a full disk: the problem itself is reported, its log cannot be
        return
