"""Run the program that computes the score: to its end or its deadline, with all that it starts, its output bounded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_loop.errors import LoopError
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import read_tail
from llm_loop.system.folders import make_folder
from llm_loop.system.held_child import ChildEnd, ChildLimits, hold

LAST_BYTES = 256_000
_MOST_BYTES = 20_000_000
_LONGEST_WORDS = 300
_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_HOW = {
    ChildEnd.DEADLINE: "it was not done in {seconds:g} s and was ended",
    ChildEnd.STOPPED: "it was stopped",
    ChildEnd.TOO_LOUD: f"it printed more than {_MOST_BYTES:,} bytes and was ended",
}


class NoScoreError(LoopError):
    """Say in one sentence why there is no score on test rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Hold where the job works: its ``folder``, whose STOP file ends the program, and ``scratch`` in it."""

    folder: Path

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def run(self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, seconds: float) -> str:
        """Run a program to its end and return the last of what it printed; nothing of its tree is left then.

        Raises NoScoreError where it fails or has to be ended, CommandError where it cannot be started.
        """
        make_folder(self.scratch)
        told, said = self.scratch / "stdout.txt", self.scratch / "stderr.txt"
        limits = ChildLimits(
            until_s=SystemClock().monotonic() + seconds,
            stop_file=self.folder / "STOP",
            max_output_bytes=_MOST_BYTES,
        )
        ended = hold(argv, env=environment, cwd=cwd, stdin=Path(os.devnull), stdout=told, stderr=said, limits=limits)
        if ended.end is not ChildEnd.EXITED:
            raise NoScoreError(_HOW[ended.end].format(seconds=seconds))
        if ended.exit_code != 0:
            words = last_words(read_tail(said, LAST_BYTES)) or last_words(read_tail(told, LAST_BYTES))
            raise NoScoreError(f"it ended with exit code {ended.exit_code}" + (f": {words}" if words else ""))
        return read_tail(told, LAST_BYTES)


def last_words(text: str) -> str:
    """Return the last line that says something, as a short text that can do nothing to a terminal."""
    plain = _TERMINAL_SEQUENCE.sub("", text)
    lines = ("".join(one if one.isprintable() else " " for one in line) for line in reversed(plain.splitlines()))
    return next((" ".join(line.split())[:_LONGEST_WORDS] for line in lines if line.strip()), "")
