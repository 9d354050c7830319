"""An observation as text, at the cost of what is new in it: an ended run says the same in every one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from llm_loop.contract.observation import KnownRun, Observation
from llm_loop.system import files

_TOLD = tuple(field.name for field in fields(KnownRun))
_KEY = tuple(name for name in _TOLD if name != "params")  # what a run was made of is its own, and never another's


class ObservationText:
    """Write the observations of one workspace, and keep the text of each run that the last one showed."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Any, ...], bytes] = {}

    def of(self, observation: Observation) -> bytes:
        """Return the observation's JSON form as UTF-8 text, which is in memory once."""
        keys = [_key(run) for run in observation.history]
        known = self._lines
        self._lines = {key: known.get(key) or _line(run) for key, run in zip(keys, observation.history, strict=True)}
        rest = replace(observation, history=()).to_json()
        del rest["history"]
        lines = [piece for key in keys for piece in (self._lines[key], b", ")][:-1]
        return b"".join([_bytes(rest)[:-1], b', "history": [', *lines, b"]}"])


def _key(run: KnownRun) -> tuple[Any, ...]:
    return tuple(getattr(run, name) for name in _KEY)


def _line(run: KnownRun) -> bytes:
    return _bytes({name: getattr(run, name) for name in _TOLD})


def _bytes(value: dict[str, Any]) -> bytes:
    return files.json_text(value).encode("utf-8", "backslashreplace")
