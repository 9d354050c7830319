"""Reproduction: the commands that give the winner again, and the hashes by which it is known."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop import __version__
from llm_loop.report.document import Block, Bullets, Code, Commands, Heading, Paragraph, Table, Text
from llm_loop.report.facts import best_row
from llm_loop.report.material import Material
from llm_loop.report.reproduction import commands_for, identity_of, weights_of
from llm_loop.report.wording import NOTHING_YET, label_of
from llm_loop.views.untrusted import clean

_MOST_RUNS = 3
_MEANINGS: tuple[Text, ...] = (
    [Code("llm-loop"), r" is .venv/bin/llm-loop (.venv\Scripts\llm-loop on Windows), or python scripts/bootstrap.py."],
    [Code("reproduce"), " makes a new run of the same configuration, code, data and seed, and compares the two."],
    [Code("export"), " gives out the code, the configuration, and a patch against the repository."],
)


def reproduction(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Reproduction")
    facts, board = material.facts, material.facts.board
    if board is None or not board.entries:
        yield Paragraph(text=NOTHING_YET)
        return
    yield Paragraph(text=["Type these in ", Code(clean(str(facts.paths.root), 300)), "."])
    yield Bullets(items=_MEANINGS)
    for entry in board.entries[:_MOST_RUNS]:
        row = best_row(entry, material.findings.by_id, board)
        yield Heading(level=3, text=f"Place {entry.rank}: {row.run_id}")
        yield Commands(lines=commands_for(row))
        weights = weights_of(facts, row)
        known = [("label", label_of(row.label)), *identity_of(row)]
        known += [] if weights is None else [("weights", label_of(str(weights)))]
        yield Table(head=("what", "value"), rows=tuple(known))
    yield Paragraph(text=f"Made by llm_loop {__version__}, {material.generated_utc}.")
