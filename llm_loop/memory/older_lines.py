"""Keep a page short: its oldest lines move to ``<name>.older.md`` beside it, in their order.

The loop reads and writes a page whole at each of its lines, and people read its end. Only lines of the loop's own
making move, never a person's. A crash between the two writes leaves lines in both places.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llm_loop.memory.markdown_file import MarkdownFile, Written
from llm_loop.system import files


def older_page(path: Path) -> Path:
    """Return where the older lines of a page lie."""
    return path.with_name(f"{path.stem}.older{path.suffix}")


def move_older_lines(page: MarkdownFile, oldest: Callable[[list[str]], list[int]], longest_bytes: int) -> Written:
    """Move the lines that ``oldest`` picks of a page's lines, by place, once the page is longer than that.

    Raises FileWriteError.
    """
    size = page.stat()
    if size is None or size[0] <= longest_bytes:
        return Written(changed=False)
    lines = page.read().split("\n")
    moved = [lines[place].rstrip("\r") for place in oldest(lines)]
    if not moved:
        return Written(changed=False)
    files.append_line(older_page(page.path), "\n".join(moved), durable=False)
    return page.rewrite(lambda text: _without(text, frozenset(moved), oldest))


def _without(text: str, moved: frozenset[str], oldest: Callable[[list[str]], list[int]]) -> str:
    lines = text.split("\n")
    gone = {place for place in oldest(lines) if lines[place].rstrip("\r") in moved}
    return "\n".join(line for place, line in enumerate(lines) if place not in gone)
