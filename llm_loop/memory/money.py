"""What tokens cost, by the price table of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from llm_loop.contract.call_report import TokenUse

ANY_MODEL = "*"
_MILLION = 1e6

# model (``*``: any other) to the price of a million ``input``, ``cached_input`` and ``output`` tokens
PriceTable = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Hold an amount. ``unpriced_tokens`` are those, in and out, of models that the table does not name."""

    amount: float
    currency: str
    unpriced_tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def cost(tokens: Iterable[tuple[str, TokenUse]], table: PriceTable, currency: str) -> Money | None:
    """Return what tokens of models cost; None without a table.

    Cached tokens cost as other ones in where the table names no price for them; reasoning is part of the output.
    """
    if not table:
        return None
    amount, unpriced = 0.0, 0
    for model, use in tokens:
        prices = table.get(model, table.get(ANY_MODEL))
        if prices is None:
            unpriced += use.input + use.output
        else:
            amount += _price(use, prices) / _MILLION
    return Money(amount=amount, currency=currency, unpriced_tokens=unpriced)


def _price(use: TokenUse, prices: Mapping[str, float]) -> float:
    cached = min(use.cached_input, use.input)
    return (
        (use.input - cached) * prices["input"]
        + cached * prices.get("cached_input", prices["input"])
        + use.output * prices["output"]
    )
