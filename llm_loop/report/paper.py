"""The paper: the night in the order in which a reader of papers looks for things."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llm_loop.report.document import Block, Document
from llm_loop.report.material import Material
from llm_loop.report.sections.ablation import ablation
from llm_loop.report.sections.abstract import abstract
from llm_loop.report.sections.cost import costs
from llm_loop.report.sections.data import data_and_splits
from llm_loop.report.sections.discussion import discussion
from llm_loop.report.sections.journey import search_journey
from llm_loop.report.sections.limits import limitations
from llm_loop.report.sections.method import method
from llm_loop.report.sections.reproducing import reproduction
from llm_loop.report.sections.results import results
from llm_loop.report.sections.troubles import failures_and_repairs

_SECTIONS: tuple[Callable[[Material], Iterable[Block]], ...] = (
    abstract,
    data_and_splits,
    method,
    search_journey,
    results,
    ablation,
    failures_and_repairs,
    costs,
    limitations,
    reproduction,
    discussion,
)


def paper_report(material: Material) -> Document:
    """Return the paper."""
    blocks = tuple(block for section in _SECTIONS for block in section(material))
    return Document(title="Report of an autonomous search", blocks=blocks)
