"""Read values that somebody else wrote: a model's texts, a training's numbers, a file caught half-written.

Nothing here raises. What has the wrong type becomes None; a text becomes one short line that can do
nothing to a terminal.
"""

from __future__ import annotations

import math
import re
from typing import Any

_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor moves
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, device strings
    r"|\x1b[ -/]*[0-~]"
)


def clean(text: str, limit: int) -> str:
    """Return ``text`` as one line of at most ``limit`` characters.

    Terminal sequences go; control characters, direction marks and line breaks become blanks; what is
    too long ends with three dots.
    """
    text = _TERMINAL_SEQUENCE.sub("", text[: limit * 20])
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def text_of(value: Any, limit: int = 200) -> str | None:
    """Return a text that is not empty, cleaned and bounded, else None."""
    return (clean(value, limit) or None) if isinstance(value, str) else None


def texts_of(value: Any, limit: int = 200) -> tuple[str, ...]:
    """Return the cleaned texts of a list; other entries are left out."""
    return tuple(text for item in list_of(value) if (text := text_of(item, limit)) is not None)


def whole_of(value: Any) -> int | None:
    """Return a whole number, else None."""
    number = number_of(value)
    return int(number) if number is not None and number == int(number) else None


def number_of(value: Any) -> float | None:
    """Return a finite number as float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def dict_of(value: Any) -> dict[str, Any]:
    """Return a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """Return a list (or a tuple as one), else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def plain(value: Any) -> Any:
    """Return ``value`` fit for strict JSON: no number that is not finite, no character that is not printable."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        text = str(value)
        return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
