"""Which run ids and labels were ever used, in a few bytes each."""

from __future__ import annotations

import base64
import re
from typing import Any, Self

from llm_loop.memory.text_set import TextSet

_NUMBERED = re.compile(r"R0*([1-9][0-9]{0,6})")
_ENDED, _HAS_RESULT = 1, 2


class RunNames:
    """Know the ended runs by name."""

    def __init__(self) -> None:
        self._flags = bytearray()  # at the number in a run's id
        self._others: dict[str, int] = {}  # ids of another form
        self._labels = TextSet()

    def add(self, run_id: str, label: str, *, has_result: bool) -> None:
        """Take in an ended run."""
        flags = _ENDED | (_HAS_RESULT if has_result else 0)
        number = _number(run_id)
        if number is None:
            self._others[run_id] = flags
        else:
            self._flags.extend(bytes(max(0, number + 1 - len(self._flags))))
            self._flags[number] = flags
        self._labels.add(label)

    def has_ended(self, run_id: str) -> bool:
        """Tell whether a run of that id ended."""
        return self._of(run_id) != 0

    def has_result(self, run_id: str) -> bool:
        """Tell whether a run of that id ended and left a result."""
        return bool(self._of(run_id) & _HAS_RESULT)

    def label_is_taken(self, label: str) -> bool:
        """Tell whether an ended run had that label."""
        return label in self._labels

    def to_json(self) -> dict[str, Any]:
        """Return a form to go on from, on a machine of the same byte order."""
        flags = base64.b64encode(self._flags).decode("ascii")
        return {"flags": flags, "others": self._others, "labels": self._labels.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Go on from a form of before. Raises KeyError, TypeError, ValueError."""
        names = cls()
        names._flags = bytearray(base64.b64decode(value["flags"]))
        names._others = {str(run_id): int(flags) for run_id, flags in value["others"].items()}
        names._labels = TextSet.from_json(value["labels"])
        return names

    def _of(self, run_id: str) -> int:
        number = _number(run_id)
        if number is None:
            return self._others.get(run_id, 0)
        return self._flags[number] if number < len(self._flags) else 0


def _number(run_id: str) -> int | None:
    """Return the number in an id of the loop's own making; an id that is written otherwise is another one."""
    match = _NUMBERED.fullmatch(run_id)
    return int(match[1]) if match is not None and run_id == f"R{int(match[1]):04d}" else None
