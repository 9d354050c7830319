"""Differences of two texts as people and ``git apply`` read them, in bounded time."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

_MOST_COMPARED = 3_000  # lines of a middle part; beyond that it counts as replaced as a whole
_AROUND = 3
Change = tuple[int, int, int, int]
"""Lines [a, b) of the old text became lines [c, d) of the new one."""


def unified(path: str, old: bytes | None, new: bytes | None, *, old_mode: int = 0o644, new_mode: int = 0o644) -> str:
    """Return a unified diff of one file with git's heading; None stands for "is not there".

    Undecodable bytes become U+FFFD: such a file is named, its diff is for reading only.
    """
    lines = [f"diff --git a/{path} b/{path}\n"]
    if old is None:
        lines.append(f"new file mode 100{new_mode:o}\n")
    elif new is None:
        lines.append(f"deleted file mode 100{old_mode:o}\n")
    elif old_mode != new_mode:
        lines += [f"old mode 100{old_mode:o}\n", f"new mode 100{new_mode:o}\n"]
    before, after = split_lines(old or b""), split_lines(new or b"")
    if before != after:
        lines.append(f"--- {'/dev/null' if old is None else f'a/{path}'}\n")
        lines.append(f"+++ {'/dev/null' if new is None else f'b/{path}'}\n")
        lines += _hunks(before, after)
    return "".join(lines)


def line_counts(old: bytes | None, new: bytes | None) -> tuple[int, int]:
    """Return how many lines came and how many went."""
    found = changes(split_lines(old or b""), split_lines(new or b""))
    return sum(d - c for _, _, c, d in found), sum(b - a for a, b, _, _ in found)


def split_lines(data: bytes) -> list[str]:
    """Return lines with their ends; only a line feed ends one, as git sees it."""
    *whole, rest = data.decode("utf-8", "replace").split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def changes(before: list[str], after: list[str]) -> list[Change]:
    """Return what became of what. Common beginnings and ends are cut off first."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if not old and not new:
        return []
    if max(len(old), len(new)) > _MOST_COMPARED or not old or not new:
        return [(head, head + len(old), head, head + len(new))]
    matcher = difflib.SequenceMatcher(None, old, new)
    return [(a + head, b + head, c + head, d + head) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def _hunks(before: list[str], after: list[str]) -> Iterator[str]:
    groups: list[list[Change]] = []
    for change in changes(before, after):
        if groups and change[0] - groups[-1][-1][1] <= 2 * _AROUND:
            groups[-1].append(change)
        else:
            groups.append([change])
    for group in groups:
        begin = max(0, group[0][0] - _AROUND)
        end = min(len(before), group[-1][1] + _AROUND)
        new_begin = group[0][2] - (group[0][0] - begin)
        new_end = group[-1][3] + (end - group[-1][1])
        yield f"@@ -{_span(begin, end)} +{_span(new_begin, new_end)} @@\n"
        at = begin
        for a, b, c, d in group:
            yield from (_line(" ", line) for line in before[at:a])
            yield from (_line("-", line) for line in before[a:b])
            yield from (_line("+", line) for line in after[c:d])
            at = b
        yield from (_line(" ", line) for line in before[at:end])


def _span(begin: int, end: int) -> str:
    count = end - begin
    start = begin + 1 if count else begin
    return f"{start}" if count == 1 else f"{start},{count}"


def _line(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
