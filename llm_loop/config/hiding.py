"""Keep the values of keys that may hold a login out of sight: addresses with tokens, commands with keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_loop.config.sources import known_keys

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")
_HIDDEN = "(not shown)"


def is_secret(key: str) -> bool:
    """Tell whether a key's value is never shown."""
    return known_keys().get(key, {}).get("x-secret", False) is True


def hidden(value: Any) -> Any:
    """Return a value in which no text is left but the kind of an address: ``tgram://(not shown)``."""
    if isinstance(value, str):
        scheme = _SCHEME.match(value)
        return f"{scheme[0] if scheme else ''}{_HIDDEN}"
    if isinstance(value, Sequence):
        return [hidden(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else _HIDDEN
