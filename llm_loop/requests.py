"""What a person asks of a living daemon: three flag files in ``.llm_loop``.

``STOP_DAEMON`` (empty, or ``leave-run``), ``STOP_CURRENT_RUN`` (empty: all, or a run id) and ``PAUSE``.
The first two are consumed when they are read; PAUSE holds launches for as long as it lies there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system import files

LEAVE_RUN = "leave-run"
_MOST_BYTES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Hold what lies there. A text is None when its flag is not."""

    stop_daemon: str | None = None
    stop_current_run: str | None = None
    pause: bool = False


def read_requests(paths: WorkspacePaths) -> Requests:
    """Return the flags that lie in the workspace; one listing of the folder."""
    try:
        names = set(os.listdir(paths.loop))  # noqa: PTH208 - names, not paths
    except OSError:
        return Requests()
    return Requests(
        stop_daemon=_text(paths.stop_daemon) if paths.stop_daemon.name in names else None,
        stop_current_run=_text(paths.stop_current_run) if paths.stop_current_run.name in names else None,
        pause=paths.pause.name in names,
    )


def consume(path: Path) -> None:
    """Remove a flag that was read. Raises FileWriteError."""
    files.remove(path)


def _text(path: Path) -> str:
    """Read a flag's text, whatever editor or shell wrote it (PowerShell 5.1 writes UTF-16).

    "" when it is no file or no flag of ours could be that long.
    """
    try:
        data = read_outside(path, _MOST_BYTES)
    except OSError:
        return ""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace").strip()
