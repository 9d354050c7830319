"""Discussion by a model, where there is one: shown as a foreign text, clearly marked, never mixed with the facts."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.report.document import Block, Foreign, Heading, Paragraph
from llm_loop.report.material import Material

TITLE = "Discussion by a model (not checked)"


def discussion(material: Material) -> Iterator[Block]:
    """Yield the section; nothing where there is no discussion."""
    if material.facts.discussion:
        yield Heading(level=2, text=TITLE)
        yield Paragraph(
            text="A language model wrote what follows. Nobody checked it; the facts are in the sections above."
        )
        yield Foreign(lines=material.facts.discussion)
