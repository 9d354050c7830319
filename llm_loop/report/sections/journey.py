"""Search journey: the course of the best, its turning points, and how long nothing was gained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llm_loop.report.document import Block, Bullets, Drawn, Heading, Paragraph, Table, Text
from llm_loop.report.judgement import in_words
from llm_loop.report.material import Material
from llm_loop.report.night import RunWords
from llm_loop.report.search import TurningPoint
from llm_loop.report.wording import NOTHING_YET, counted, label_of
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import number

_MOST_TURNS = 10
_HEAD = ("hours at work", "run", "label", "category", "proposed by", "value", "gain", "against what led before")
_NUMBERS = frozenset({0, 5, 6})


def search_journey(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Search journey")
    turns = material.findings.search.turning_points
    if not turns:
        yield Paragraph(text=NOTHING_YET)
        return
    yield Drawn(figure=material.figures.running_best)
    shown = _shown(turns)
    left_out = f" The first run and the {len(shown) - 1} largest gains are listed." if len(shown) < len(turns) else ""
    since = counted(material.findings.search.ranked_since, "ranked run")
    gains = counted(len(turns) - 1, "time")
    yield Paragraph(text=f"The best so far improved {gains} after the first run; {since} came since.{left_out}")
    yield Table(head=_HEAD, rows=tuple(map(_row, shown)), numbers=_NUMBERS)
    yield from _reasons(shown, material.facts.night.words)
    yield Drawn(figure=material.figures.curves)


def _shown(turns: Sequence[TurningPoint]) -> list[TurningPoint]:
    """Return the first run and the largest gains, in their order."""
    largest = sorted(turns[1:], key=lambda turn: -(turn.gain or 0.0))[: _MOST_TURNS - 1]
    return [turn for turn in turns if turn is turns[0] or turn in largest]


def _reasons(turns: Sequence[TurningPoint], words: Mapping[str, RunWords]) -> Iterator[Block]:
    said = ((turn.row.run_id, words.get(turn.row.run_id, RunWords()).why) for turn in turns)
    told = tuple(f"{run_id}: {why}" for run_id, why in said if why is not None)
    if told:
        yield Paragraph(text="Why each was tried, in the words of who proposed it:")
        yield Bullets(items=told)


def _row(turn: TurningPoint) -> tuple[Text, ...]:
    row = turn.row
    return (
        f"{turn.hours:.2f}",
        row.run_id,
        label_of(row.label),
        row.idea_category.value.replace("_", " "),
        clean(row.proposer, 40),
        number(turn.value),
        "-" if turn.gain is None else f"{turn.gain:.3g}",
        _judged(turn),
    )


def _judged(turn: TurningPoint) -> str:
    if turn.gain is None:
        return "the first run"
    if turn.comparison is None:
        return "the same configuration again"
    if turn.comparison.gain <= 0:
        return "by one run alone: as configurations it is not ahead"
    return in_words(turn.comparison)
