"""Method: who decided, how runs were judged, on what they ran."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.report.document import Block, Bullets, Heading, Text
from llm_loop.report.material import Material
from llm_loop.report.wording import counted
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import better


def method(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Method")
    yield Bullets(items=tuple(_lines(material)))


def _lines(material: Material) -> Iterator[Text]:
    facts, night = material.facts, material.facts.night
    if facts.board is not None:
        metric = f"{clean(facts.board.metric, 60)} ({better(facts.board.direction)})"
        yield f"Selection metric: {metric}, at the best epoch of each run, on the validation data."
    proposers = sorted({clean(row.proposer, 40) for row in facts.rows})
    if proposers:
        yield f"Runs were proposed by: {', '.join(proposers)}."
    refused = counted(night.refused, "proposal") if night.refused else "none"
    unusable = f" {counted(night.unusable, 'answer')} held no usable proposal." if night.unusable else ""
    yield f"A gate judged every proposal before it ran, and refused {refused}.{unusable}"
    if night.mentor_worth.asked:
        yield _mentor(night.mentor_worth)
    yield (
        "Runs of one configuration that differ by the seed alone are one place, with their mean. Two places are a tie "
        "when their difference lies inside the 95 % noise: over seeds (Welch's interval, or the spread pooled over all "
        "repeated configurations), else the interval of the single run, else it is said that the noise is not known."
    )
    data = material.findings.data
    if data is not None and data.device is not None:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(data.versions.items()))
        yield f"The winning run ran on: {data.device}" + (f" ({versions})." if versions else ".")


def _mentor(worth: MentorWorth) -> str:
    adopted = sum(worth.adopted.values())
    unreached = f", {worth.unreached} without an answer" if worth.unreached else ""
    asked, challenges = counted(worth.asked, "time"), counted(worth.challenges, "challenge")
    return f"A mentor was asked {asked}{unreached}: {challenges}, {adopted} adopted."
