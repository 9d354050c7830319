"""One run on a bench: a namespace for mounts and processes, a Wine prefix of its own, nothing left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from tests.windows.bench.build import lend_network
from tests.windows.bench.chroot import NAMESPACE
from tests.windows.bench.layout import Layout
from tests.windows.bench.machine import index_settings
from tests.windows.bench.problem import BenchFailure
from tests.windows.bench.removal import remove
from tests.windows.bench.wine import wine_environ

PYTHON = "Z:\\windows\\python\\python.exe"
_INSIDE = "WINDOWS_BENCH_NAMESPACE"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Wine's own servants, which end by themselves a moment after the last program
_SERVANTS = frozenset(
    "services.exe winedevice.exe plugplay.exe svchost.exe rpcss.exe explorer.exe conhost.exe start.exe".split()
)


def enter_namespace(argv: list[str]) -> None:
    """Go on in a namespace for mounts and processes: this process is replaced by ``argv`` in one, unless it is in one.

    Whatever is mounted or started there ends with the new process, also when it is killed.
    """
    if os.environ.get(_INSIDE) == str(os.getpid()):
        return
    _become([*NAMESPACE, "env", f"{_INSIDE}=1", *argv])


def _become(argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(argv[0], argv)


@contextmanager
def only_one_run(layout: Layout, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the bench's lock while the body runs; another holder is waited for."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("bench: another run is at work on it; waiting")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a Windows program ended: its exit code, and what it printed on both streams."""

    code: int
    out: str
    err: str


class Session:
    """A Windows for one run. ``with Session(layout) as windows: windows.run([PYTHON, ...], ...)``.

    Must be entered inside a namespace (``enter_namespace``).
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._prefix = layout.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
        inside = f"/{self._prefix.relative_to(layout.root)}"
        own = {"PATH": _PATH, "HOME": "/root", "PIP_CACHE_DIR": "D:\\pip-cache"}
        trusted = {"PIP_CERT": "Z:\\etc\\ssl\\certs\\ca-certificates.crt"}
        self._environ = own | wine_environ(inside) | index_settings() | trusted

    def __enter__(self) -> Self:
        layout = self._layout
        remove(layout.runs)  # prefixes of runs that were killed: the lock says that nobody uses one
        layout.desk.mkdir(parents=True, exist_ok=True)
        lend_network(layout)
        _mount("-t", "proc", "proc", layout.root / "proc")
        for name in ("dev", "sys"):
            _mount("--rbind", f"/{name}", layout.root / name)
        _mount("--bind", layout.desk, layout.root / "desk")
        shutil.copytree(layout.prepared, self._prefix, symlinks=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()
        shutil.rmtree(self._prefix, ignore_errors=True)  # its programs are gone; what stays, the next run removes

    def start(
        self, argv: list[str], *, folder: str, environ: dict[str, str] | None = None, out: int | None, err: int | None
    ) -> subprocess.Popen[bytes]:
        """Start a Windows program in a folder, given as a path inside the Debian (``/desk/...`` is drive D)."""
        settings = [f"{name}={value}" for name, value in (self._environ | (environ or {})).items()]
        enter = ["sh", "-c", 'cd "$1" && shift && exec "$WINELOADER" "$@"', "sh", folder]
        line = ["chroot", str(self._layout.root), "env", "-i", *settings, *enter, *argv]
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def run(self, argv: list[str], *, folder: str, deadline_s: float, environ: dict[str, str] | None = None) -> Done:
        """Run a Windows program to its end. At the deadline all Windows programs are ended, and BenchFailure raised."""
        process = self.start(argv, folder=folder, environ=environ, out=subprocess.PIPE, err=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            self.end_all()
            out, err = process.communicate()
            last = "\n".join((out + err).decode("utf-8", "replace").splitlines()[-15:])
            raise BenchFailure(f"not done after {deadline_s:g} s: {' '.join(argv)}\n{last}") from None
        return Done(code=process.returncode, out=_text(out), err=_text(err))

    def run_to_screen(self, argv: list[str], *, folder: str, deadline_s: float) -> str:
        """Run a Windows program, pass on each line as it comes, and return all of them. Raises BenchFailure."""
        process = self.start(argv, folder=folder, out=subprocess.PIPE, err=subprocess.STDOUT)
        timer, due = _end_later(deadline_s, self.end_all)
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(_text(line))
            print("   ", lines[-1], end="", flush=True)
        code = process.wait()
        timer.cancel()
        if due.is_set():
            raise BenchFailure(f"not done after {deadline_s:g} s: {' '.join(argv)}")
        if code != 0:
            raise BenchFailure(f"exit code {code}: {' '.join(argv)}")
        return "".join(lines)

    def programs(self) -> list[str]:
        """Return the command lines of the Windows programs that run now, without Wine's own servants."""
        found = []
        for place in (self._layout.root / "proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:  # ended meanwhile
                continue
            name = words[0].replace("\\", "/").rsplit("/", 1)[-1].lower()
            if name.endswith(".exe") and name not in _SERVANTS:
                found.append(" ".join(words).strip())
        return found

    def end_all(self) -> None:
        """End every Windows program of this run's prefix."""
        prefix = f"WINEPREFIX={self._environ['WINEPREFIX']}"
        for flag in ("-k", "-w"):
            line = ["chroot", str(self._layout.root), "env", "-i", f"PATH={_PATH}", prefix, "wineserver", flag]
            subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def _mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchFailure(f"mount {words[-1]}: {done.stderr.decode(errors='replace').strip()}")


def _end_later(seconds: float, end: Callable[[], None]) -> tuple[threading.Timer, threading.Event]:
    """Call ``end`` after a while, unless the timer is cancelled; the event tells that it was called."""
    due = threading.Event()

    def act() -> None:
        due.set()
        end()

    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    return timer, due


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
