"""Data and splits: what the trainings saw, what was validated on, what stayed sealed."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.report.data_facts import DataFacts
from llm_loop.report.document import Block, Bullets, Code, Heading, Paragraph, Text
from llm_loop.report.material import Material
from llm_loop.report.wording import NOTHING_YET, counted
from llm_loop.views.untrusted import clean


def data_and_splits(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Data and splits")
    config, data = material.facts.config, material.findings.data
    if config is not None and config.domain_images:
        yield Paragraph(text=f"The images: {clean(config.domain_images, 600)}")
    if data is None:
        yield Paragraph(text=NOTHING_YET)
        return
    yield Bullets(items=tuple(_lines(data)))
    other = 0 if material.facts.board is None else material.facts.board.apart_counts.get("on other data", 0)
    if other:
        yield Paragraph(text=f"{counted(other, 'run')} measured on other data: counted apart, never ranked with these.")


def _lines(data: DataFacts) -> Iterator[Text]:
    source = data.name or data.source
    if source:
        yield ["Source: ", Code(source), "."]
    sizes = (("trained on", data.train_images), ("validated on", data.val_images))
    told = [f"{count:,} {word}" for word, count in sizes if count is not None]
    yield (
        f"Images of the winning run: {', '.join(told)}." if told else "The winning run does not tell its image counts."
    )
    yield ["Hash of the data: ", Code(data.data_hash), "."] if data.data_hash else "The run tells no hash of its data."
    if data.sealed_rows is not None:
        yield f"Sealed for the test: {counted(data.sealed_rows, 'image')}."
    what = "its sealed rows" if data.name else "sealed rows of any data set"
    yield f"The record of openings tells of {counted(data.openings, 'look')} at {what}."
    yield from (f"The record of openings is damaged: {problem}" for problem in data.record_problems)
