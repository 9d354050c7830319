"""The settings that a run was started with: in its command, else in the config file that the command names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.contract.mend import Scalar
from llm_loop.errors import CommandError
from llm_loop.repairs.command_change import Setting, config_in, settings_in, with_words
from llm_loop.stages.repairing.facts import RunFacts

_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{0,12}\.?[0-9]{1,18}(?:[eE][+-]?[0-9]{1,3})?|[0-9]{1,12}\.")
_LONGEST_NUMBER = 40
_KEY = re.compile(r"[\w./-]{1,120}")
_MOST_VALUES = 16
"""A config of the worker's may hold any key any number of times, and what is changed is journaled and told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Hold one setting: its key as written, its value, where in the command it stands (None: in the config file)."""

    key: str
    value: Any
    setting: Setting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Hold changed settings: the new command where words of it change, else None; the rest for a copy of the config."""

    command: str | None
    changes: Mapping[str, Scalar]
    config_path: str | None


def leaf(key: str) -> str:
    """Return the last part of a key as it is compared: ``--train.Batch-Size`` is ``batch_size``."""
    return key.rpartition(".")[2].lower().replace("-", "_")


def values_of(facts: RunFacts, is_wanted: Callable[[str], bool]) -> list[Value]:
    """Return the settings whose key is wanted; what the command gives hides a config key of the same last part.

    [] where they are too many to be changed together. A key that is no plain one is passed over.
    """
    try:
        settings = [one for one in settings_in(facts.command, facts.shell) if is_wanted(one.key)]
    except CommandError:
        return []
    found = [Value(key=one.key, value=one.value, setting=one) for one in settings]
    given = {leaf(one.key) for one in settings}
    params = facts.params or {}
    found += [Value(key=key, value=params[key]) for key in params if is_wanted(key) and leaf(key) not in given]
    found = [one for one in found if _KEY.fullmatch(one.key)]
    return found if len(found) <= _MOST_VALUES else []


def changed(facts: RunFacts, new: Mapping[str, tuple[Value | None, Scalar]]) -> Changed | None:
    """Return the command and the config with new values; None where one of them cannot be put anywhere.

    ``new`` is by key: the setting as it was (None: a new key of the config file) and its new value.
    """
    words: dict[int, str] = {}
    changes: dict[str, Scalar] = {}
    for key, (old, value) in new.items():
        if old is not None and old.setting is not None:
            words[old.setting.word] = old.setting.with_value(str(value))
        else:
            changes[key] = value
    try:
        config = config_in(facts.command, facts.shell)
        command = with_words(facts.command, facts.shell, words) if words else None
    except CommandError:
        return None
    if (words and command is None) or (changes and config is None):
        return None
    return Changed(command=command, changes=changes, config_path=config.value if changes and config else None)


def whole(value: Any) -> int | None:
    """Return a value as a whole number from 0 on; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 10**9 else None
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def positive(value: Any) -> float | None:
    """Return a value as a finite number above 0, a text such as ``1e-3`` among them; None where it is none."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e300 and math.isfinite(value) else None
