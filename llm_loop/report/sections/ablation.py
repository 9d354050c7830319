"""Ablation by idea category, and what parameters went along with the score."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.report.categories import CategoryOutcome
from llm_loop.report.document import Block, Drawn, Heading, Paragraph, Table, Text
from llm_loop.report.material import Material
from llm_loop.views.wording import number

_HEAD = ("category", "runs", "ranked", "failed", "best", "median", "new bests", "gain brought")
_NUMBERS = frozenset(range(1, len(_HEAD)))


def ablation(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Ablation by idea category")
    categories = material.findings.categories
    if categories:
        yield Paragraph(
            text="What happened, by the category that each proposal named. This is no controlled ablation: a run "
            "changes several things at once, and a later category starts from what earlier ones found. Gain brought "
            "is the sum of the steps of the best so far, noise among them."
        )
        yield Table(head=_HEAD, rows=tuple(map(_row, categories)), numbers=_NUMBERS)
    yield Drawn(figure=material.figures.importance)


def _row(one: CategoryOutcome) -> tuple[Text, ...]:
    return (
        one.category.replace("_", " "),
        str(one.runs),
        str(one.ranked),
        str(one.failed),
        "-" if one.best is None else number(one.best),
        "-" if one.median is None else number(one.median),
        str(one.new_bests),
        f"{one.gain:.3g}" if one.new_bests else "-",
    )
