"""What one agent cost in one role, and what one cycle cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from llm_loop.contract.call_report import TokenUse

DEFAULT_MODEL = "default"
OTHER_MODELS = "other models"
_MOST_MODELS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleUse:
    """Hold what one agent cost in one role.

    ``calls`` counts those begun, ``failed`` the failed ones by cause, ``unknown_usage`` ended ones whose client told no
    tokens. ``tokens`` are by model (``default``: the client's own choice), ``seconds`` the time that calls took.
    """

    role: str
    agent: str
    calls: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    unknown_usage: int = 0
    tokens: dict[str, TokenUse] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError or KeyError when it is not one."""
        fields = {name: value[name] for name in cls.__slots__}
        fields["failed"] = dict(fields["failed"])
        fields["tokens"] = {model: TokenUse(**tokens) for model, tokens in fields["tokens"].items()}
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleUse:
    """Hold what the model calls of one cycle cost, and with it the run that the cycle comes to."""

    cycle_trace_id: str | None = None
    calls: int = 0
    unknown_usage: int = 0
    tokens: TokenUse = field(default_factory=TokenUse)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from its JSON form. Raises TypeError or KeyError when it is not one."""
        fields = {name: value[name] for name in cls.__slots__}
        return cls(**fields | {"tokens": TokenUse(**fields["tokens"])})


def summed(parts: Iterable[TokenUse]) -> TokenUse:
    """Return the sum of token counts."""
    total = TokenUse()
    for part in parts:
        total = TokenUse(**{name: getattr(total, name) + getattr(part, name) for name in TokenUse.__slots__})
    return total


def with_tokens(before: dict[str, TokenUse], model: str | None, tokens: TokenUse) -> dict[str, TokenUse]:
    """Return the tokens by model with those of one more call; beyond 12 models the rest goes together."""
    name = model or DEFAULT_MODEL
    if name not in before and len(before) >= _MOST_MODELS:
        name = OTHER_MODELS
    return {**before, name: summed([before.get(name, TokenUse()), tokens])}
