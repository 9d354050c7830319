"""What one repair works with: a folder for small files, a log, an end; and the one way in which it starts programs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import CommandError, FileWriteError
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.system import files
from llm_loop.system.environment_scrubbing import without_secrets
from llm_loop.system.folders import make_folder
from llm_loop.system.held_child import ChildEnd, ChildEnding, ChildLimits, hold

_MOST_BYTES = 50_000_000
_MOST_SAID_BYTES = 4_000_000
_BENDS = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "LLM_LOOP_", "CODEX_", "CONDA_")
_PIP_OUT_OF_PLACE = frozenset(
    f"PIP_{name}"
    for name in (
        "TARGET PREFIX ROOT SRC REPORT DRY_RUN PYTHON REQUIREMENT EDITABLE NO_DEPS IGNORE_INSTALLED UPGRADE"
        " FORCE_REINSTALL USER BREAK_SYSTEM_PACKAGES QUIET VERBOSE LOG"
    ).split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Hold the job's folder (its STOP file ends the work), the log for people, and the end in monotonic seconds."""

    folder: Path
    log: Path
    until_s: float

    def until(self, seconds: float) -> Self:
        """Return the same work with an end ``seconds`` from now."""
        return replace(self, until_s=time.monotonic() + seconds)

    def at_most(self, seconds: float) -> Self:
        """Return the same work that ends in ``seconds`` at the latest."""
        return replace(self, until_s=min(self.until_s, time.monotonic() + seconds))

    def note(self, text: str) -> None:
        """Add lines to the log; a disk that does not write them keeps no repair from being undone."""
        with suppress(FileWriteError):
            files.append_line(self.log, text, durable=False)

    def run(self, argv: Sequence[str], environment: Mapping[str, str], *, what: str, into: Path | None = None) -> int:
        """Run a program to its end with all that it starts; return its exit code.

        What it prints goes to the log, or to the file ``into``, its complaints last: on Windows two streams into one
        file would overwrite each other. ``what`` names it in sentences. Raises RepairRefused when it cannot be started,
        is stopped, or is not done in time.
        """
        output, complaints = into or self.log, self.folder / "stderr.txt"
        try:
            make_folder(output.parent)
            output.touch()
            complaints.write_bytes(b"")
            ending = hold(
                argv,
                env=environment,
                cwd=self.folder,
                stdin=Path(os.devnull),
                stdout=output,
                stderr=complaints,
                limits=ChildLimits(until_s=self.until_s, stop_file=self.folder / "STOP", max_output_bytes=_MOST_BYTES),
            )
        except (CommandError, OSError) as error:
            raise RepairRefused(Reason.PIP_FAILED, f"{what} cannot be started: {error}") from error
        with suppress(FileWriteError):
            if said := files.read_tail(complaints, _MOST_SAID_BYTES).strip():
                files.append_line(output, said.replace("\r\n", "\n"), durable=False)
        return _exit_code(ending, what)

    def ask(self, argv: Sequence[str], mark: str, *, what: str, seconds: float) -> dict[str, Any]:
        """Run one of our small scripts in another Python; return the object on its marked line.

        Raises RepairRefused when it gives none.
        """
        told = self.folder / f"{mark.rstrip(':')}.txt"
        files.replace_text(told, "", durable=False)
        self.at_most(seconds).run(argv, bare_environment(), what=what, into=told)
        said = files.read_tail(told, _MOST_SAID_BYTES)
        line = next((one for one in reversed(said.splitlines()) if one.startswith(mark)), None)
        if line is None:
            last = (said.strip().splitlines() or ["no answer"])[-1]
            raise RepairRefused(Reason.NO_PYTHON, f"{what} said nothing that can be used: {last[:200]}")
        value: dict[str, Any] = json.loads(line.removeprefix(mark))
        return value


def bare_environment() -> dict[str, str]:
    """Return this process's environment without secrets and without what bends a Python; the run's tag stays."""
    kept = {name: value for name, value in without_secrets(os.environ).items() if not name.upper().startswith(_BENDS)}
    tag = os.environ.get("LLM_LOOP_RUN")
    return kept | ({} if tag is None else {"LLM_LOOP_RUN": tag})


def pip_environment() -> dict[str, str]:
    """Return the environment for pip: the person's own settings of indexes stay, with their passwords.

    Settings that would put packages elsewhere, or make an install no install, are left out.
    """
    own = {name: value for name, value in os.environ.items() if name.upper().startswith("PIP_")}
    kept = {name: value for name, value in (bare_environment() | own).items() if name.upper() not in _PIP_OUT_OF_PLACE}
    fixed = {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1"}
    return kept | fixed | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


def _exit_code(ending: ChildEnding, what: str) -> int:
    if ending.end is ChildEnd.DEADLINE:
        raise RepairRefused(Reason.DEADLINE, f"{what} was not done in time and was ended")
    if ending.end is ChildEnd.STOPPED:
        raise RepairRefused(Reason.STOPPED, f"{what} was ended, for the loop was told to stop")
    if ending.end is not ChildEnd.EXITED or ending.exit_code is None:
        raise RepairRefused(Reason.PIP_FAILED, f"{what} was ended ({ending.end.value})")
    return ending.exit_code
