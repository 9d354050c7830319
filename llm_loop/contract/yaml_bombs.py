"""Tell YAML that unfolds without end, or takes for ever to read, before a reader is let near it. Pure.

A merge key copies what its aliases name, so a few lines that name each other stand for millions of keys; a reader that
builds them takes all memory. Nested brackets cost more with each level. Both show in the text itself.
"""

from __future__ import annotations

import re

MOST_ALIASES = 16
DEEPEST = 60
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*[\w-]", re.MULTILINE)
_BRACKET = re.compile(r"[\[\](){}]")


def is_bomb(text: str) -> bool:
    """Tell whether a text is not to be read as YAML: more than 16 aliases, or more than 60 brackets deep."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "[({" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest > DEEPEST or len(_ALIAS.findall(text)) > MOST_ALIASES
