"""Run a short command to its end, with a deadline after which its tree is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from llm_loop.errors import CommandError

_LAST_WORDS_S = 2.0
if sys.platform == "win32":
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    _NO_WINDOW = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Hold how a command ended; ``exit_code`` is None when it was ended at its deadline."""

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""


def run_short(
    argv: Sequence[str],
    *,
    deadline_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Ended:
    """Run ``argv`` with ``stdin`` as its whole standard input; ``env`` None: this process's own.

    Its output is kept in memory, as UTF-8 with U+FFFD for what is none. Raises CommandError when it cannot be
    started.
    """
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=sys.platform != "win32",
            creationflags=_NO_WINDOW,
        )
    except OSError as error:
        raise CommandError(f"cannot start {argv[0]}: {error.strerror or error}") from error
    try:
        stdout, stderr = process.communicate(stdin.encode(), timeout=deadline_s)
    except subprocess.TimeoutExpired:
        return _end(process)
    except BaseException:  # Ctrl-C of a person: nothing of it stays
        _end(process)
        raise
    return Ended(exit_code=process.returncode, stdout=_text(stdout), stderr=_text(stderr))


def _end(process: subprocess.Popen[bytes]) -> Ended:
    _end_tree(process)
    try:
        stdout, stderr = process.communicate(timeout=_LAST_WORDS_S)
    except subprocess.TimeoutExpired:  # something that left the tree holds the pipes
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()
        return Ended(exit_code=None)
    return Ended(exit_code=None, stdout=_text(stdout), stderr=_text(stderr))


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        argv = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
