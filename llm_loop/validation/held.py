"""Run a program for a check: to its end or its deadline, with all that it starts, and what it printed last."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_loop.system.clock import SystemClock
from llm_loop.system.files import read_tail, replace_text
from llm_loop.system.folders import make_folder
from llm_loop.system.held_child import ChildEnd, ChildLimits, hold

LAST_CHARACTERS = 24_000
_MOST_BYTES = 50_000_000
_LONGEST_CHARACTER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Hold how a program ended, and the end of what it printed."""

    end: ChildEnd
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Hold where checks work: the job's ``folder``, whose STOP file ends them, and ``scratch`` in it for small files.

    ``run_dir`` stands for the folder of the run, with the run's files in it.
    """

    folder: Path

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def run_dir(self) -> Path:
        return self.scratch / "run"

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, seconds: float, stdin: str | None = None
    ) -> Ended:
        """Run a program; nothing of its tree is left then. Raises CommandError where it cannot be started."""
        outputs = next(place for number in itertools.count() if not (place := self.scratch / f"held-{number}").exists())
        told, said, given = outputs / "stdout.txt", outputs / "stderr.txt", outputs / "stdin.txt"
        if stdin is not None:
            replace_text(given, stdin, durable=False)
        make_folder(outputs)
        clock = SystemClock()
        began = clock.monotonic()
        limits = ChildLimits(until_s=began + seconds, stop_file=self.folder / "STOP", max_output_bytes=_MOST_BYTES)
        ending = hold(
            argv,
            env=environment,
            cwd=cwd,
            stdin=Path(os.devnull) if stdin is None else given,
            stdout=told,
            stderr=said,
            limits=limits,
        )
        return Ended(
            end=ending.end,
            exit_code=ending.exit_code if ending.end is ChildEnd.EXITED else None,
            stdout=_last(told),
            stderr=_last(said),
            seconds=clock.monotonic() - began,
        )


def _last(file: Path) -> str:
    return read_tail(file, LAST_CHARACTERS * _LONGEST_CHARACTER)[-LAST_CHARACTERS:]
