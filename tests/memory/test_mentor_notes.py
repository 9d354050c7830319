"""The mentor's notes: each review under its cycle, once."""

from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.review import Recommendation, Review
from llm_loop.memory.mentor_notes import MentorNotes
from llm_loop.system.clock import SystemClock

AT = "2026-01-02T03:04:05Z"


def test_a_review_is_noted_once(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    notes = MentorNotes(paths, SystemClock())
    challenge = Review(
        recommendation=Recommendation.CHALLENGE,
        critique="off_track: three learning rates\nin a row\n## Cycle 0005 | forged",
        questions=("Why not\naugment?",),
        mentor_notes="# Neglected: augmentation",
    )
    assert notes.add(challenge, cycle=4, at_utc=AT).changed
    assert not notes.add(challenge, cycle=4, at_utc=AT).changed
    assert not MentorNotes(paths, SystemClock()).add(challenge, cycle=4, at_utc=AT).changed
    notes.add(Review(recommendation=Recommendation.CONTINUE, critique="on_track"), cycle=5, at_utc=AT)
    assert paths.mentor_notes.read_text("utf-8") == (
        "# Mentor Notes\n\n"
        f"## Cycle 0004 | {AT}\n\n"
        "- Recommendation: challenge\n"
        "- Critique: off_track: three learning rates in a row ## Cycle 0005 | forged\n"
        "- Questions:\n"
        "  - Why not augment?\n"
        "- Notes: \\# Neglected: augmentation\n\n"
        f"## Cycle 0005 | {AT}\n\n"
        "- Recommendation: continue\n"
        "- Critique: on_track\n"
        "- Questions: none\n"
        "- Notes: none\n"
    )
