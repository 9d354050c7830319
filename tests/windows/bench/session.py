"""One run on a bench: a namespace for mounts and processes, a Wine prefix of its own, nothing left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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
from tests.windows.bench.wine import LOADER, wine_environ

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

    Must be entered inside a namespace (``enter_namespace``). ``settings`` are variables for all its programs.
    """

    def __init__(self, layout: Layout, settings: Mapping[str, str] | None = None) -> None:
        self._layout = layout
        self._prefix = layout.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"
        inside = f"/{self._prefix.relative_to(layout.root)}"
        own = {"PATH": _PATH, "HOME": "/root", "PIP_CACHE_DIR": "D:\\pip-cache"}
        self._ours: set[int] = set()
        trusted = {"PIP_CERT": "Z:\\etc\\ssl\\certs\\ca-certificates.crt"}
        self._environ = own | wine_environ(inside) | index_settings() | trusted | dict(settings or {})

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

    def start(self, argv: list[str], *, folder: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a Windows program in a folder, given as a path inside the Debian (``/desk/...`` is drive D).

        What it prints goes to ``log``, not into a pipe: a process that it leaves behind would hold the pipe open.
        """
        settings = [f"{name}={value}" for name, value in self._environ.items()]
        enter = ["sh", "-c", 'cd "$1" && shift && exec "$WINELOADER" "$@"', "sh", folder]
        line = ["chroot", str(self._layout.root), "env", "-i", *settings, *enter, *argv]
        with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self._ours.add(process.pid)
        return process

    def run(self, argv: list[str], *, folder: str, deadline_s: float, show: bool = False) -> Done:
        """Run a Windows program to its end; with ``show``, pass on its lines as they come.

        At the deadline all Windows programs are ended, and BenchFailure is raised.
        """
        log = self._layout.logs / "last_program.out"
        process = self.start(argv, folder=folder, log=log)
        give_up = time.monotonic() + deadline_s
        files = (log, log.with_suffix(".err"))
        shown = [0, 0]
        while (code := process.poll()) is None and time.monotonic() < give_up:
            self._reap()
            time.sleep(0.1)
            shown = [_show(file, size) for file, size in zip(files, shown, strict=True)] if show else shown
        if code is None:
            self.end_all()
            last = "\n".join("".join(map(_text, files)).splitlines()[-15:])
            raise BenchFailure(f"not done after {deadline_s:g} s: {' '.join(argv)}\n{last}")
        for file, size in zip(files, shown, strict=True):
            _show(file, size, whole=True) if show else None
        return Done(code=code, out=_text(files[0]), err=_text(files[1]))

    def _reap(self) -> None:
        """Let go of ended processes whose parents have ended: the first process of a namespace inherits them."""
        while os.getpid() == 1 and (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if found.si_pid in self._ours:
                return  # its Popen asks for it
            os.waitpid(found.si_pid, 0)

    def programs(self) -> list[str]:
        """Return the command lines of the Windows programs that run now, without Wine's own servants."""
        found = []
        for place in (self._layout.root / "proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:  # ended meanwhile
                continue
            if words[0] == LOADER:  # not far enough yet to bear its own name
                words = words[1:] or [""]
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


def _show(file: Path, size: int, *, whole: bool = False) -> int:
    """Print what came after the first ``size`` bytes, up to the last whole line; return how far that was."""
    with file.open("rb") as stream:
        stream.seek(size)
        data = stream.read()
    if not whole:
        data = data[: data.rfind(b"\n") + 1]
    for line in data.decode("utf-8", "replace").splitlines():
        print("   ", line, flush=True)
    return size + len(data)


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
