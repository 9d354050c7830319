"""Run a Linux program inside the bench's Debian, in a namespace of its own: its mounts and processes end with it."""

from __future__ import annotations

import subprocess

from tests.windows.bench.layout import Layout
from tests.windows.bench.problem import BenchFailure

# one shell line, so that the mounts are made inside the namespace: proc of the new namespace, /dev and /sys as here
MOUNTS = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys"'
NAMESPACE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8", "HOME": "/root"}
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run_inside(
    layout: Layout, argv: list[str], *, log: str, deadline_s: float = 600.0, environ: dict[str, str] | None = None
) -> str:
    """Run a program in the Debian to its end and return what it printed; a log keeps it too. Raises BenchFailure."""
    settings = [f"{name}={value}" for name, value in (_QUIET | (environ or {})).items()]
    script = f'{MOUNTS} && exec chroot "$0" env -i PATH={_PATH} "$@"'
    return run_logged(layout, [*NAMESPACE, "sh", "-c", script, str(layout.root), *settings, *argv], log, deadline_s)


def run_logged(layout: Layout, argv: list[str], log: str, deadline_s: float) -> str:
    """Run a program to its end and return what it printed; raise BenchFailure when it fails or takes too long."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    file = layout.logs / f"{log}.log"
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchFailure(f"{log} was not done after {deadline_s:g} s") from error
    file.write_text(done.stdout, encoding="utf-8")
    if done.returncode != 0:
        last = ([line for line in done.stdout.splitlines() if line.strip()] or ["no word"])[-1]
        raise BenchFailure(f"{log} failed: {last.strip()} (all of it: {file})")
    return done.stdout
