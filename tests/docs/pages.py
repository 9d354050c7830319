"""Read the README and the pages under docs/: fenced blocks, code in the text, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
_FENCE = re.compile(r"^( *)```(\S*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Hold one fenced block: its page, the line of its fence from 1, its language, its text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page.name}:{self.line}"


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page. An open fence raises ValueError."""
    found, begun, inside = [], None, []
    for number, line in enumerate(read(page).splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            inside.append(line)
        elif begun is None:
            begun, inside = (number, len(fence[1]), fence[2]), []
        else:
            text = "\n".join(one[begun[1] :] for one in inside)
            found.append(Block(page=page, line=begun[0], language=begun[2], text=text))
            begun = None
    if begun is not None:
        raise ValueError(f"{page.name}:{begun[0]}: a fence without an end")
    return found


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in one of these languages."""
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", read(page))


def code_in_text(page: Path) -> list[str]:
    """Return what stands in backticks in the text of a page; a line break in it counts as a blank."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose(page))]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, those to the web left out."""
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the names under which a page's headings can be linked to."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(page: Path) -> Iterator[list[str]]:
    """Yield the cells of each row of a page's tables, head and rule among them."""
    for line in prose(page).splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]
