"""Write a document's blocks as HTML; every text is escaped, nothing in it acts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html import escape

from llm_loop.report.document import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    Drawn,
    Foreign,
    Heading,
    Paragraph,
    Piece,
    Strong,
    Table,
    Text,
    pieces_of,
)
from llm_loop.report.figures.figure import Figure

_NO_WORD = re.compile(r"[^a-z0-9]+")


def to_html(document: Document, shown: Collection[Figure] = ()) -> str:
    """Return the blocks, without the title; headings can be linked to by ``anchor``.

    A figure that the page has ``shown`` already is linked to.
    """
    return "\n".join(line for block in document.blocks for line in _lines(block, shown))


def anchor(heading: str) -> str:
    """Return the id of a heading."""
    return _NO_WORD.sub("-", heading.lower()).strip("-")


def inline(text: Text) -> str:
    """Return a text of a line."""
    return "".join(map(_piece, pieces_of(text)))


def figure(drawn: Figure) -> str:
    """Return a figure with its title and caption, its picture within it."""
    caption = f"<figcaption><b>{escape(drawn.title)}.</b> {escape(drawn.caption)}</figcaption>"
    return f'<figure id="{_figure_id(drawn)}">\n{drawn.embedded()}\n{caption}\n</figure>'


def _lines(block: Block, shown: Collection[Figure]) -> Iterator[str]:
    match block:
        case Heading():
            yield f'<h{block.level} id="{anchor(block.text)}">{escape(block.text)}</h{block.level}>'
        case Paragraph():
            yield f"<p>{inline(block.text)}</p>"
        case Bullets():
            yield "<ul>"
            yield from (f"<li>{inline(item)}</li>" for item in block.items)
            yield "</ul>"
        case Table():
            yield from _table(block)
        case Commands():
            yield f"<pre><code>{_as_one(block.lines)}</code></pre>"
        case Foreign():
            yield f'<blockquote class="foreign">{_as_one(block.lines)}</blockquote>'
        case Drawn() if block.figure in shown:
            yield f'<p>Drawn above: <a href="#{_figure_id(block.figure)}">{escape(block.figure.title)}</a>.</p>'
        case Drawn():
            yield figure(block.figure)


def _as_one(lines: tuple[str, ...]) -> str:
    return escape("\n".join(lines))


def _figure_id(drawn: Figure) -> str:
    return f"figure-{drawn.name}"


def _table(table: Table) -> Iterator[str]:
    kinds = [' class="number"' if column in table.numbers else "" for column in range(len(table.head))]
    heads = zip(kinds, table.head, strict=True)
    yield '<div class="scroll"><table>'
    yield (
        "<thead><tr>" + "".join(f'<th scope="col"{kind}>{escape(head)}</th>' for kind, head in heads) + "</tr></thead>"
    )
    yield "<tbody>"
    for row in table.rows:
        cells = zip(kinds, row, strict=True)
        yield "<tr>" + "".join(f"<td{kind}>{inline(cell)}</td>" for kind, cell in cells) + "</tr>"
    yield "</tbody></table></div>"


def _piece(piece: Piece) -> str:
    match piece:
        case Code():
            return f"<code>{escape(piece.text)}</code>" if piece.text.strip() else ""
        case Strong():
            return f"<strong>{escape(piece.text)}</strong>"
        case _:
            return escape(piece)
