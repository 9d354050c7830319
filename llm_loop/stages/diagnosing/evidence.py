"""What a failed attempt leaves behind, brought to plain bounded lines before anything reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_loop.contract.diagnosis import Cause
from llm_loop.system.processes import EndCause

MOST_CHARACTERS = 24_000
"""Of each log, its end; a traceback and its chain are a few thousand."""
_MOST_IN_A_LINE = 1_500
_MOST_IN_EVIDENCE = 300
_TERMINAL = re.compile(r"\x1b\[[0-?]{0,30}[ -/]{0,10}[@-~]|\x1b[@-Z\\-_]")
_RANK = re.compile(r"^\[rank\d{1,5}\]:\s?")
_GROUP = re.compile(r"^\s{0,40}\| ?|^\s{0,40}\+-+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """Hold what is known of a failed attempt; None or "" for what is not.

    ``ending`` and ``exit_code`` are the keeper's word, ``cause`` and ``detail`` what ``stages.record`` made of them.
    ``stderr`` and ``stdout`` are the ends of the logs, hostile. ``metrics_are_finite`` is of the last epoch reported.
    ``edited_files`` are relative to the training repository. ``platform`` is as ``sys.platform``; memory in bytes.
    """

    ending: EndCause | None = None
    exit_code: int | None = None
    cause: str | None = None
    detail: str | None = None
    stderr: str = ""
    stdout: str = ""
    metrics_are_finite: bool | None = None
    edited_files: tuple[str, ...] = ()
    platform: str = "linux"
    peak_memory_bytes: int | None = None
    host_memory_bytes: int | None = None

    @property
    def is_windows(self) -> bool:
        """Tell whether the run ran on Windows."""
        return self.platform == "win32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Hold one reading of the evidence; the surest one becomes the diagnosis."""

    cause: Cause
    confidence: float
    line: str | None
    details: tuple[tuple[str, str | int | bool], ...] = ()


def lines_of(text: str) -> list[str]:
    """Return the end of a log as lines: no terminal sequences, what was written over gone, each one bounded."""
    return [_plain(line) for line in text[-MOST_CHARACTERS:].split("\n")]


def clean_line(line: str) -> str:
    """Return a line for people: printable, at most 300 characters."""
    plain = "".join(char if char.isprintable() else " " for char in line[:_MOST_IN_A_LINE])
    short = " ".join(plain.split())
    return short if len(short) <= _MOST_IN_EVIDENCE else short[: _MOST_IN_EVIDENCE - 3] + "..."


def _plain(line: str) -> str:
    """Return a line without what launchers and exception groups put before it."""
    line = line.rstrip("\r").rpartition("\r")[2][:_MOST_IN_A_LINE]
    line = _RANK.sub("", _TERMINAL.sub("", line).replace("\t", "    "))
    return _GROUP.sub("", line).rstrip()
