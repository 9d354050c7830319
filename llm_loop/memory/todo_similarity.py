"""Say whether a new TODO is worth its line: it says enough, and it does not say what is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from llm_loop.contract.observation import OpenTodo

LEAST_WORDS = 5
NEAR_DUPLICATE = 0.84
_WORTH_COMPARING = 0.4
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[\d_]+(?:e\d*)?")
_STOP_WORDS = frozenset(
    _WORD.findall(
        "a about after all also an and any are as at be because been before but by can could do does for from "
        "had has have how if in into is it its just may might more most must no not of on once only or other our "
        "out over same shall should so some such than that the their them then there these they this those to too "
        "up very was we were what when where whether which while who why will with would you your"
    )
)


def content_words(text: str) -> list[str]:
    """Return the words of ``text`` that carry meaning: lower case, no stop words, no numbers."""
    words = _WORD.findall(text.casefold())
    return [word for word in words if word not in _STOP_WORDS and not _NUMBER.fullmatch(word)]


def refusal(text: str, others: Iterable[OpenTodo]) -> str | None:
    """Return why a TODO is refused, or None when it may stand.

    Refused: fewer than 5 content words, or a similarity of 0.84 and above to an open one. The
    similarity is the higher of two Ratcliff-Obershelp ratios (Python's difflib), one over the content
    words as they stand and one over the same words sorted; so numbers alone make no new TODO.
    """
    words = content_words(text)
    if len(words) < LEAST_WORDS:
        return f"too short: {len(words)} words that say something, at least {LEAST_WORDS} are wanted"
    for other in others:
        if similarity(words, content_words(other.text)) >= NEAR_DUPLICATE:
            return f"says nearly the same as {other.id}"
    return None


def similarity(first: list[str], second: list[str]) -> float:
    """Return how alike two lists of words are, 0 to 1. Lists that share few words are not compared further."""
    shared = sum((Counter(first) & Counter(second)).values())
    overlap = 2 * shared / max(1, len(first) + len(second))
    if overlap < _WORTH_COMPARING:
        return overlap
    return max(_ratio(first, second), _ratio(sorted(first), sorted(second)))


def _ratio(first: list[str], second: list[str]) -> float:
    # autojunk would ignore frequent letters in texts above 200 characters
    return SequenceMatcher(None, " ".join(first), " ".join(second), autojunk=False).ratio()
