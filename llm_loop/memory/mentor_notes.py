"""``mentor_notes.md``: each review in full, under the cycle that it belongs to."""

from __future__ import annotations

import re

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.review import Review
from llm_loop.memory.growing_file import GrowingFile
from llm_loop.memory.markdown_file import Written
from llm_loop.memory.markdown_text import one_line
from llm_loop.system.clock import Clock

TEXT_CHARACTERS = 1500
_START = "# Mentor Notes\n"
_KEY = re.compile(r"^## (Cycle \d+ \| \S+)[ \t]*\r?$", re.MULTILINE)


class MentorNotes(GrowingFile):
    """Hold ``.llm_loop/artifacts/mentor_notes.md``."""

    def __init__(self, paths: WorkspacePaths, clock: Clock) -> None:
        super().__init__(paths.mentor_notes, paths.kept_versions, start=_START, key=_KEY, clock=clock)

    def add(self, review: Review, *, cycle: int, at_utc: str) -> Written:
        """Append a review; the same cycle and time are never added twice. Raises FileWriteError.

        A text is one line, cut at 1,500 characters.
        """
        key = f"Cycle {cycle:04d} | {at_utc}"
        return self.append(key, f"## {key}\n\n{_bullets(review)}")


def _bullets(review: Review) -> str:
    lines = [
        f"- Recommendation: {review.recommendation.value}",
        f"- Critique: {one_line(review.critique, TEXT_CHARACTERS)}",
        "- Questions:" if review.questions else "- Questions: none",
        *(f"  - {one_line(question, TEXT_CHARACTERS)}" for question in review.questions),
        f"- Notes: {one_line(review.mentor_notes, TEXT_CHARACTERS) or 'none'}",
    ]
    return "".join(f"{line}\n" for line in lines)
