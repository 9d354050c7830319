"""The message: what a person who is called is told, wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Hold one message: the reason's id, a line, a text of a few lines, and the reason in its fields.

    ``workspace`` is the absolute path of the loop that calls.
    """

    id: str
    title: str
    body: str
    workspace: str
    reason: Mapping[str, Any]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which a ``notify_command`` reads on standard input."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a message from its JSON form. Raises TypeError where it is none."""
        return cls(**value)
