"""A set of texts in eight bytes each: they are known by 64 bits of their hash, which no two share by chance."""

from __future__ import annotations

import base64
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Self


class TextSet:
    """Hold which texts were ever added, not the texts."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._digests = array("Q", sorted({digest_of(text) for text in texts}))

    def add(self, text: str) -> None:
        """Take in a text."""
        digest = digest_of(text)
        at = bisect_left(self._digests, digest)
        if at == len(self._digests) or self._digests[at] != digest:
            self._digests.insert(at, digest)

    def __contains__(self, text: str) -> bool:
        digest = digest_of(text)
        at = bisect_left(self._digests, digest)
        return at < len(self._digests) and self._digests[at] == digest

    def to_json(self) -> str:
        """Return a form to go on from, on a machine of the same byte order."""
        return base64.b64encode(self._digests.tobytes()).decode("ascii")

    @classmethod
    def from_json(cls, value: str) -> Self:
        """Go on from a form of before. Raises TypeError, ValueError."""
        known = cls()
        known._digests.frombytes(base64.b64decode(value))
        return known


def digest_of(text: str) -> int:
    """Return 64 bits that stand for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
