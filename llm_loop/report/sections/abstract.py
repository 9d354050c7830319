"""Abstract: the whole in one paragraph."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.report.document import Block, Heading, Paragraph, Piece, pieces_of
from llm_loop.report.material import Material
from llm_loop.report.wording import NOTHING_YET, against_first, against_second, counted, selected, tested, winner
from llm_loop.views.wording import duration


def abstract(material: Material) -> Iterator[Block]:
    """Yield the section."""
    facts, verdict = material.facts, material.findings.verdict
    yield Heading(level=2, text="Abstract")
    runs, hours = counted(len(facts.rows), "run"), duration(facts.night.work_time.hours * 3600)
    pieces: list[Piece] = [f"An autonomous loop made {runs} in {hours} at work. "]
    if verdict is None or facts.board is None:
        pieces += [NOTHING_YET]
    else:
        for sentence in (winner(verdict), against_first(verdict), against_second(verdict), tested(facts, verdict)):
            pieces += [*pieces_of(sentence), " "]
        pieces += [selected(facts.board.ranked_configs)]
    yield Paragraph(text=pieces)
    if facts.note:
        yield Paragraph(text=f"Note given with the wish to finish up: {facts.note}")
