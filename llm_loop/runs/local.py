"""The engine of this machine: each attempt is a command held by a keeper.

Only this file and ``system`` know of processes; the rest of the loop knows folders and endings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_loop.runs import command as commands
from llm_loop.system import files, processes
from llm_loop.system.folders import make_folder
from llm_loop.system.instance_lock import is_held
from llm_loop.system.processes import EndCause, Ending, HeldCommand, Keepers

STOP_FILE = "STOP"
KEEPER_LOCK = "keeper.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Hold what an attempt needs: ``files`` (name to text) are written into ``folder`` before it starts."""

    folder: Path
    command: str
    shell: str
    cwd: Path
    workspace: Path
    environment: Mapping[str, str]
    files: Mapping[str, str]
    stdout: Path
    stderr: Path
    grace_s: float
    deadline_s: float | None
    log_max_bytes: int | None = None


class LocalEngine:
    """Launch, poll and stop attempts on this machine."""

    name = "local"

    def __init__(self, keepers: Keepers) -> None:
        self._keepers = keepers

    def prepare(self, launch: Launch) -> None:
        """Write everything that the attempt needs; nothing is started.

        Raises CommandError when the command cannot be parsed or its program is not found,
        FileWriteError when a file cannot be written.
        """
        tokens = {"run_dir": str(launch.folder), "workspace": str(launch.workspace)}
        form = commands.start_form(launch.command, launch.shell, launch.folder, tokens)
        program = processes.resolve_program(form.argv[0], launch.environment["PATH"], launch.cwd)
        for name, text in {**launch.files, **form.files}.items():
            files.replace_text(launch.folder / name, text, durable=False)
        make_folder(launch.stdout.parent)
        held = HeldCommand(
            argv=(program, *form.argv[1:]),
            cwd=launch.cwd,
            stdout=launch.stdout,
            stderr=launch.stderr,
            stop_file=launch.folder / STOP_FILE,
            grace_s=launch.grace_s,
            deadline_s=launch.deadline_s,
            log_max_bytes=launch.log_max_bytes,
            tag=launch.environment.get("LLM_LOOP_RUN"),
        )
        self._keepers.prepare(launch.folder, held)

    def start(self, launch: Launch) -> str | None:
        """Start a prepared attempt; return a notice when it is not wholly detached. Raises CommandError."""
        return self._keepers.start(launch.folder, launch.environment)

    def poll(self, folder: Path, now_s: float, tag: str) -> Ending | None:
        """Return how the attempt in ``folder`` ended, or None while it runs.

        A run can write where its keeper does. So an ending under a held lock is none: the keeper is about
        to go, or the ending is not its own. Where nothing can be read any more, what carries the tag is ended.
        """
        try:
            ending = self._keepers.poll(folder, now_s)
        except (IsADirectoryError, NotADirectoryError) as error:
            processes.sweep(tag)
            return Ending(cause=EndCause.KEEPER_ERROR, detail=f"something else lies at {error.filename}")
        if ending is not None and is_held(folder / KEEPER_LOCK):
            return None
        return _swept(ending, tag)

    def recover(self, folder: Path, tag: str) -> Ending | None:
        """After a restart: return how the attempt ended, or None when its keeper lives and is adopted."""
        return _swept(processes.recover(folder), tag)

    def request_stop(self, folder: Path) -> None:
        """Ask the attempt in ``folder`` to end politely, unless it is asked already. Raises FileWriteError."""
        if not os.path.exists(folder / STOP_FILE):  # noqa: PTH110 - pathlib's raises where the drive has trouble
            files.replace_text(folder / STOP_FILE, "")


def _swept(ending: Ending | None, tag: str) -> Ending | None:
    """Return ``ending``, once nothing of an attempt without a keeper lives any more."""
    if ending is not None and ending.cause in (EndCause.LOST, EndCause.VOID):
        processes.sweep(tag)
    return ending
