"""Limitations: what these results do not show."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.memory.noise import TieBasis
from llm_loop.report.document import Block, Bullets, Heading, Text
from llm_loop.report.material import Material
from llm_loop.report.wording import counted


def limitations(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Limitations")
    yield Bullets(items=tuple(_lines(material)))


def _lines(material: Material) -> Iterator[Text]:
    facts, verdict = material.facts, material.findings.verdict
    if facts.board is not None and verdict is not None:
        yield (
            f"Selection: {counted(facts.board.ranked_configs, 'configuration')} and their epochs were chosen by the "
            "same validation data. A comparison with the winner treats it as if it had been named beforehand; it was "
            "not, so differences tend to be smaller than they are shown here."
        )
        yield from _of_noise(material)
        yield "Scores are told by the trainings themselves; nobody recomputed them from saved predictions."
    if facts.test is None:
        yield "No test result: how the winner does on images that took no part in the search is not known."
    else:
        yield "The test rows were opened for the chosen model alone; the runner-up has no test result, by intent."
    if material.findings.data is not None and material.findings.data.data_hash is None:
        yield "The winning run tells no hash of its data, so it cannot be shown that all runs saw the same."
    yield (
        "Parameters and categories were not varied one at a time: the tables say what went along with what, not why."
    )
    yield from (f"Not readable, and left out: {note}" for note in facts.notes)
    if facts.night.open_runs:
        yield f"{counted(len(facts.night.open_runs), 'run')} still went on; what they come to is not in here."


def _of_noise(material: Material) -> Iterator[Text]:
    verdict = material.findings.verdict
    assert verdict is not None
    if verdict.best.seeds == 1:
        yield "The winner has one seed: how far another seed would move it is not known from its own runs."
    bases = {found.tie_basis for found in (verdict.against_first, verdict.against_second) if found is not None}
    if TieBasis.INTERVAL in bases:
        yield (
            "Where a single run's interval is the judge, it holds the choice of validation images alone, not what "
            "another seed or another order of the images would change."
        )
    if TieBasis.UNKNOWN in bases:
        yield "Where neither several seeds nor an interval is known, a difference may be noise of any size."
