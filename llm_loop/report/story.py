"""The condensed story: one screen that says who won, by how much, whether it is noise, and how to get it again."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.memory.comparison import Comparer
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.document import Block, Bullets, Commands, Document, Heading, Paragraph, Text
from llm_loop.report.material import Material
from llm_loop.report.reproduction import commands_for, weights_of
from llm_loop.report.search import TurningPoint
from llm_loop.report.verdict import Verdict
from llm_loop.report.wording import (
    NOTHING_YET,
    against_first,
    against_second,
    counted,
    label_of,
    selected,
    tested,
    winner,
)
from llm_loop.views.untrusted import clean

_MOST_WORKED = 4
_MOST_FAILURES = 3
_MOST_CATEGORIES = 3
_LEAST_RUNS_TO_JUDGE = 3


def condensed_story(material: Material) -> Document:
    """Return the story."""
    return Document(title="What the night came to", blocks=tuple(_blocks(material)))


def _blocks(material: Material) -> Iterator[Block]:
    facts, findings = material.facts, material.findings
    verdict, board = findings.verdict, facts.board
    if facts.note:
        yield Paragraph(text=f"Note: {facts.note}")
    yield Heading(level=2, text="Which model won")
    if verdict is None or board is None:
        yield Paragraph(text=NOTHING_YET)
    else:
        yield Paragraph(text=winner(verdict))
        yield Heading(level=2, text="By how much")
        items = (
            against_first(verdict),
            against_second(verdict),
            tested(facts, verdict),
            selected(board.ranked_configs),
        )
        yield Bullets(items=items)
        yield from how_to_get_it_again(material, verdict)
        yield Heading(level=2, text="What worked")
        yield Bullets(items=tuple(_worked(material, verdict)))
    yield Heading(level=2, text="What did not")
    yield Bullets(items=tuple(_did_not(material)) or ("Nothing to report.",))
    yield Paragraph(text=_ending(material))


def how_to_get_it_again(material: Material, verdict: Verdict) -> Iterator[Block]:
    """Yield the heading, the commands and where the weights lie."""
    yield Heading(level=2, text="How to get it again")
    yield Commands(lines=commands_for(verdict.run))
    weights = weights_of(material.facts, verdict.run)
    where = f"In {clean(str(material.facts.paths.root), 300)}; the first trains it anew, the second gives out its code."
    kept = "" if weights is None else f" Its weights: {clean(str(weights), 400)}"
    yield Paragraph(text=where + kept)


def _worked(material: Material, verdict: Verdict) -> Iterator[Text]:
    """Yield the largest gains that were more than noise; the rest is counted."""
    turns = [turn for turn in material.findings.search.turning_points if turn.gain is not None]
    solid = sorted((turn for turn in turns if turn.is_more_than_noise), key=lambda turn: -(turn.gain or 0.0))
    for turn in solid[:_MOST_WORKED]:
        yield _gain(turn)
    if not solid:
        yield "Nothing was better than what led before it by more than the noise that is known."
    if doubtful := len(turns) - len(solid):
        yield f"{counted(doubtful, 'further gain')} on the way may be noise."
    if len(verdict.best.run_ids) > 1:
        yield f"The winner was repeated: {counted(len(verdict.best.run_ids), 'run')}, {verdict.best.seeds} seeds."


def _gain(turn: TurningPoint) -> Text:
    row = turn.row
    gain = f"better by {turn.gain:.3g} than the best before, more than the noise"
    return [f"{row.run_id} ", label_of(row.label), f" ({row.idea_category.value.replace('_', ' ')}): {gain}."]


def _did_not(material: Material) -> Iterator[Text]:
    findings, board = material.findings, material.facts.board
    if board is not None and findings.verdict is not None:
        yield from _worse_than_first(board, findings.verdict)
    idle = [one for one in findings.categories if one.ranked >= _LEAST_RUNS_TO_JUDGE and not one.new_bests]
    for one in idle[:_MOST_CATEGORIES]:
        yield f"{one.category.replace('_', ' ')}: {counted(one.ranked, 'ranked run')}, none better than all before it."
    for group in findings.failures.groups[:_MOST_FAILURES]:
        yield f"{counted(len(group.run_ids), 'run')} failed: {group.cause} ({group.run_ids[-1]} the last of them)."


def _worse_than_first(board: Leaderboard, verdict: Verdict) -> Iterator[Text]:
    first = next(entry for entry in board.entries if verdict.first.run_id in entry.run_ids)
    comparer = Comparer(board)
    others = [comparer.compare(first, entry) for entry in board.entries if entry is not first]
    worse = [found for found in others if found.tied is False and found.gain < 0]
    if worse:
        yield (
            f"{len(worse):,} of {len(others):,} other configurations came out worse than the first run by more than "
            "the noise."
        )


def _ending(material: Material) -> str:
    facts = material.facts
    going_on = len(facts.night.open_runs)
    live = f" {counted(going_on, 'run')} still went on." if going_on else ""
    return f"{counted(len(facts.rows), 'ended run')}; made {material.generated_utc}.{live}"
