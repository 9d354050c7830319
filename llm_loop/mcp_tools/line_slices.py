"""Slices of lines of a file of any size: the last ones, or those from a place on, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_BLOCK = 1 << 20
_TAIL = 1 << 18
_SCAN = 1 << 29  # counting 512 MB of lines takes about half a second
_LONGEST_LINE = 1 << 16
_MOST = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Hold lines (bytes without their break), the number of the first, from 1, and how many the file has.

    ``first`` and ``total`` are None where the file is too large to be counted.
    """

    lines: tuple[bytes, ...]
    first: int | None
    total: int | None


def tail(stream: IO[bytes], count: int) -> Slice:
    """Return the last ``count`` lines, fewer when they are long: at most the last 256 KiB."""
    size = stream.seek(0, os.SEEK_END)
    total = _count(stream, size)
    start = max(0, size - _TAIL)
    stream.seek(start)
    lines = _without_last_break(stream.read(size - start)).split(b"\n") if size else []
    if start and len(lines) > 1:
        lines = lines[1:]  # half a line
    lines = lines[-count:]
    return Slice(lines=tuple(lines), first=None if total is None else total - len(lines) + 1, total=total)


def from_line(stream: IO[bytes], first: int, count: int) -> Slice:
    """Return up to ``count`` lines from the line ``first`` on, at most 256 KiB of them."""
    size = stream.seek(0, os.SEEK_END)
    total = _count(stream, size)
    stream.seek(_offset(stream, first, size))
    found, held = [], 0
    for line in _lines(stream):
        found.append(line)
        held += len(line)
        if len(found) >= count or held > _MOST:
            break
    return Slice(lines=tuple(found), first=first, total=total)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines, each cut at 64 KiB."""
    while line := stream.readline(_LONGEST_LINE):
        whole = line
        while whole and not whole.endswith(b"\n"):
            whole = stream.readline(_BLOCK)
        yield line.removesuffix(b"\n")


def _count(stream: IO[bytes], size: int) -> int | None:
    """Return how many lines the first ``size`` bytes hold, None when they are too many bytes."""
    if size > _SCAN:
        return None
    stream.seek(0)
    breaks, left, last = 0, size, b"\n"
    while left > 0 and (block := stream.read(min(_BLOCK, left))):
        breaks += block.count(b"\n")
        left -= len(block)
        last = block[-1:]
    return breaks + (last != b"\n")


def _offset(stream: IO[bytes], first: int, size: int) -> int:
    """Return where the line ``first`` begins; the end when there is no such line, or not in the first 512 MB."""
    missing, offset = first - 1, 0
    stream.seek(0)
    while missing > 0 and offset < _SCAN and (block := stream.read(_BLOCK)):
        breaks = block.count(b"\n")
        if breaks >= missing:
            return offset + _after_break(block, missing)
        missing -= breaks
        offset += len(block)
    return size if missing > 0 else 0


def _after_break(block: bytes, number: int) -> int:
    place = -1
    for _ in range(number):
        place = block.index(b"\n", place + 1)
    return place + 1


def _without_last_break(text: bytes) -> bytes:
    return text.removesuffix(b"\n")
