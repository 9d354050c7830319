"""What the reference trainer would refuse in a config file, told without it; never more than it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_loop.contract import schemas
from llm_loop.contract.trainer_settings import SCHEMA, known_keys, objection_to, unknown_keys, with_override
from llm_loop.errors import ConfigError

_UNKNOWN_KEY = re.compile(r"([\w.]+: )?unknown key '")


def with_overrides(values: Mapping[str, Any], words: Sequence[str]) -> tuple[dict[str, Any], frozenset[str]] | None:
    """Return the settings with ``key=value`` words laid over them, and the keys of those; None where one is none."""
    found = dict(values)
    try:
        for word in words:
            found = with_override(found, word)
    except ConfigError:
        return None
    return found, frozenset(word.partition("=")[0].strip() for word in words)


def first_violation(values: Mapping[str, Any], given: frozenset[str]) -> tuple[str, str | None] | None:
    """Return what the settings break first: a sentence, and the key where it is unknown; None for nothing.

    What ``given`` keys break is left to the dry run.
    """
    dotted = next((key for key in unknown_keys(values) if not _is_given(key, given)), None)
    if dotted is not None:
        return objection_to(dotted), None if dotted in known_keys() else dotted
    for line in schemas.violations(SCHEMA, values):
        if not _UNKNOWN_KEY.match(line) and not _is_given(line.partition(":")[0], given):
            return line, None
    return None


def _is_given(dotted: str, given: frozenset[str]) -> bool:
    return any(dotted == key or dotted.startswith(f"{key}.") or key.startswith(f"{dotted}.") for key in given)
