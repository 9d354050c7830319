"""Results: the leaderboard with intervals and ties, the test rows, predictions to look at."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.report.document import Block, Drawn, Heading, Paragraph, Table
from llm_loop.report.leaderboard import leaderboard_blocks
from llm_loop.report.material import Material
from llm_loop.report.wording import against_first, against_second, label_of, tested, winner
from llm_loop.views.wording import number

_MOST_NAMED = 12


def results(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Results")
    verdict = material.findings.verdict
    if verdict is not None:
        for sentence in (winner(verdict), against_first(verdict), against_second(verdict)):
            yield Paragraph(text=sentence)
    yield from _ties(material)
    yield from leaderboard_blocks(material)
    yield Heading(level=3, text="Sealed test rows")
    yield Paragraph(text=tested(material.facts, verdict))
    test = material.facts.test
    if test is not None and test.metrics:
        told = sorted((name, value) for name, value in test.metrics.items() if value is not None)
        rows = tuple((label_of(name), number(value)) for name, value in told)
        yield Table(head=("metric", "test rows"), rows=rows, numbers=frozenset({1}))
    if material.figures.predictions is not None:
        yield Drawn(figure=material.figures.predictions)


def _ties(material: Material) -> Iterator[Block]:
    verdict = material.findings.verdict
    if verdict is None or not verdict.tied:
        return
    names = ", ".join(entry.run_ids[0] for entry in verdict.tied[:_MOST_NAMED])
    more = f" and {len(verdict.tied) - _MOST_NAMED} more" if len(verdict.tied) > _MOST_NAMED else ""
    yield Paragraph(text=f"Tied with the best, so that any of them may be the better one: {names}{more}.")
