"""When the model calls of a night are spent: then Codex rests, and the built-in planner goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from llm_loop.config import Config
from llm_loop.memory.agent_use import AgentUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Hold the limits; None is no limit."""

    max_calls_per_hour: int | None = None
    max_calls_per_night: int | None = None
    max_tokens_total: int | None = None

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return the limits that the configuration sets."""
        return cls(**{name: getattr(config, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRest:
    """Say which limit is reached (its key), in a sentence, and when calls are made again (None: not by itself)."""

    key: str
    sentence: str
    until: datetime | None = None


def rest_reason(use: AgentUse, budget: Budget, now: datetime) -> BudgetRest | None:
    """Return why no model is called at ``now``; None while there is something left to spend.

    The lasting limit is told where several are reached. Tokens that no client told are not counted.
    """
    tokens, night = budget.max_tokens_total, budget.max_calls_per_night
    if tokens is not None and use.tokens_total >= tokens:
        sentence = f"{use.tokens_total} of {tokens} tokens are spent (max_tokens_total)"
        return BudgetRest(key="max_tokens_total", sentence=sentence)
    if night is not None and use.night_calls >= night:
        sentence = f"{use.night_calls} of {night} calls since this start are made (max_calls_per_night)"
        return BudgetRest(key="max_calls_per_night", sentence=sentence)
    hour = budget.max_calls_per_hour
    if hour is not None and (made := use.rate.in_hour(now)) >= hour:
        wait_s = use.rate.falls_below(hour, now)
        until = None if wait_s is None else now + timedelta(seconds=wait_s)
        sentence = f"{made} of {hour} calls within an hour are made (max_calls_per_hour)"
        return BudgetRest(key="max_calls_per_hour", sentence=sentence, until=until)
    return None
