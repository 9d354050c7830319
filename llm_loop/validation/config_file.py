"""The check ``config``: the config file that a command names is valid, for the reference trainer in every key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.trainer_settings import SettingsLoader
from llm_loop.contract.yaml_bombs import is_bomb
from llm_loop.validation.start import Start
from llm_loop.validation.trainer_settings import first_violation, with_overrides
from llm_loop.validation.verdict import PASSED, Verdict, failed, skipped, unknown

_MOST_BYTES = 200_000
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{\{")
_COMMENTED = re.compile(r"^\s*(?://|#|/\*)|,\s*[\]}]|^\s*[A-Za-z_']\w*\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Hold the verdict, and what the reference trainer would read, None for another program or an unread file."""

    verdict: Verdict
    settings: Mapping[str, Any] | None = None


def check_config(start: Start | None, trainer: Path | None) -> Config:
    """Read the config file of the first step; ``trainer``: where the run's Python finds the reference trainer."""
    named = None if start is None else start.config()
    if start is None or named is None:
        return Config(verdict=skipped("the command names no config file that is plain to see"))
    is_ours = start.is_trainer
    try:
        data = read_outside(start.folder / named, _MOST_BYTES)
    except (OSError, ValueError) as error:
        return Config(verdict=unknown(f"{named} cannot be read here: {error}"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not is_ours:
            return Config(verdict=unknown(f"{named} is no UTF-8 text"))
        line = f"{named}: not UTF-8 text (byte {error.start})"
        return Config(verdict=failed(Cause.CONFIG_INVALID, "the config file does not read", line))
    if is_bomb(text):
        return Config(verdict=unknown(f"{named} is nested too deeply, or refers to itself too often, to be read here"))
    try:
        if is_ours:
            return _of_trainer(named, text.replace("\r\n", "\n").replace("\r", "\n"), start, trainer)
        return Config(verdict=_foreign(named, text))
    except (RecursionError, MemoryError):
        return Config(verdict=unknown(f"{named} is nested too deeply to be read here"))


def _of_trainer(named: str, text: str, start: Start, trainer: Path | None) -> Config:
    try:
        values = yaml.load(text, Loader=SettingsLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        return Config(verdict=_not_yaml(named, error))
    except (ValueError, TypeError, OverflowError) as error:  # a date or number that cannot be: the dry run says it
        return Config(verdict=unknown(f"{named}: {error}"))
    if not isinstance(values, dict):
        why = f"{named}: a mapping of keys is wanted, such as 'optimizer: {{learning_rate: 0.05}}'"
        return Config(verdict=failed(Cause.CONFIG_INVALID, "the config file holds no settings", why))
    if start.loose & set(start.words) or (laid := with_overrides(values, start.values_of("--set"))) is None:
        return Config(verdict=unknown("the values that the command sets are left to the dry run"))
    broken = first_violation(*laid)
    if broken is None:
        return Config(verdict=PASSED, settings=laid[0])
    if not _has_our_schema(trainer):
        why = f"{named}: {broken[0]}; but the trainer of the training environment is of another version"
        return Config(verdict=unknown(why), settings=laid[0])
    sentence, key = broken
    cause = Cause.CONFIG_INVALID if key is None else Cause.CONFIG_KEY_UNKNOWN
    details = {} if key is None else {"key": key[:200]}
    return Config(
        verdict=failed(cause, "the trainer does not take this config file", f"{named}: {sentence}", **details)
    )


def _foreign(named: str, text: str) -> Verdict:
    if _TEMPLATE.search(text):
        return skipped(f"{named} is a template")
    if named.lower().endswith(".json"):
        try:
            json.loads(text)
        except ValueError as error:
            if _COMMENTED.search(text) or not text.strip():
                return unknown(f"{named} is no plain JSON: {error}")
            return failed(Cause.CONFIG_INVALID, "the config file is no JSON", f"{named}: {error}")
        return PASSED
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass  # its form alone: what tags and keys mean is the program's to say
    except yaml.YAMLError as error:
        return _not_yaml(named, error)
    return PASSED


def _not_yaml(named: str, error: yaml.YAMLError) -> Verdict:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    where = f"line {mark.line + 1}: {problem}" if mark else problem
    return failed(Cause.CONFIG_INVALID, "the config file is no YAML", f"{named}: not valid YAML ({where})")


def _has_our_schema(trainer: Path | None) -> bool:
    """Tell whether the trainer that will run takes the same keys as the schema here; ``trainer``: its __init__.py."""
    ours = resources.files("llm_loop.contract").joinpath("trainer.schema.json")
    try:
        theirs = read_outside(trainer.parent / "contract" / "trainer.schema.json", 1_000_000) if trainer else b""
    except OSError:
        return False
    return theirs.replace(b"\r\n", b"\n") == ours.read_bytes().replace(b"\r\n", b"\n")
