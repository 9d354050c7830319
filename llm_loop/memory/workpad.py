"""``workpad.md``: the worker's notes, one line each, in two sections."""

from __future__ import annotations

import re

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.markdown_file import MarkdownFile, Written
from llm_loop.memory.markdown_text import add_to_section, one_line
from llm_loop.memory.older_lines import move_older_lines
from llm_loop.system.clock import Clock

NOTES = "## Notes"
DATA_EXPLORATION = "## Data Exploration"
LINE_CHARACTERS = 500
LONGEST_BYTES = 60_000
_OWN_LINE = re.compile(r"- \[\d{4}-\d\d-\d\dT[\d:]+Z\] ")
_START = f"# LLM Workpad\n\n{NOTES}\n\n{DATA_EXPLORATION}\n"


class Workpad(MarkdownFile):
    """Hold ``.llm_loop/artifacts/workpad.md``."""

    def __init__(self, paths: WorkspacePaths, clock: Clock) -> None:
        super().__init__(paths.workpad, paths.kept_versions, start=_START, clock=clock)

    def add(self, *, at_utc: str, notes: str = "", data_exploration: str = "") -> Written:
        """Add ``- [<utc>] text`` at the end of one section or both; an empty text adds nothing.

        A line is cut at 500 characters. The same line is never added twice. Of a page that is too long the older half
        of these lines moves to ``workpad.older.md``. Raises FileWriteError.
        """
        entries = [
            (heading, f"- [{at_utc}] {line}")
            for heading, text in ((NOTES, notes), (DATA_EXPLORATION, data_exploration))
            if (line := one_line(text, LINE_CHARACTERS))
        ]
        written = self.rewrite(lambda text: _with_lines(text, entries))
        moved = move_older_lines(self, _older_half, LONGEST_BYTES)
        return Written(changed=written.changed, human_edit=written.human_edit or moved.human_edit)


def _older_half(lines: list[str]) -> list[int]:
    own = sorted((line, place) for place, line in enumerate(lines) if _OWN_LINE.match(line))  # by their times
    return sorted(place for _, place in own[: len(own) // 2])


def _with_lines(text: str, entries: list[tuple[str, str]]) -> str:
    there = {line.strip() for line in text.split("\n")}
    for heading, line in entries:
        if line not in there:
            text = add_to_section(text, heading, line)
    return text
