"""The outages of agents that are over: since when, until when, why, and who stood in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from llm_loop.views.untrusted import dict_of, text_of

_KEPT = 3
_STAND_IN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOutage:
    """Hold one outage that an answer has ended. ``role`` is None where the whole account was out.

    ``stand_in_runs`` counts the runs that the built-in planner proposed meanwhile.
    """

    agent: str
    role: str | None
    cause: str
    since_utc: str
    back_utc: str = ""
    stand_in_runs: int = 0


class PastOutages:
    """Follow the journal; keep the last three outages that are over."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str | None], PastOutage] = {}
        self._over: deque[PastOutage] = deque(maxlen=_KEPT)

    def follow(self, event: dict[str, Any]) -> None:
        """Take an event in. Raises nothing."""
        match event.get("event"):
            case "agent_out":
                self._begin(event)
            case "agent_back":
                self._end(event)
            case "run_staged" if dict_of(event.get("run")).get("proposer") == _STAND_IN:
                self._open = {key: replace(one, stand_in_runs=one.stand_in_runs + 1) for key, one in self._open.items()}

    def over(self) -> tuple[PastOutage, ...]:
        """Return the outages that are over, oldest first."""
        return tuple(self._over)

    def clear(self) -> None:
        """Forget all: the journal begins anew."""
        self._open.clear()
        self._over.clear()

    def _begin(self, event: dict[str, Any]) -> None:
        agent, role, since_utc = (text_of(event.get(name), 40) for name in ("agent", "role", "ts_utc"))
        if agent is not None and since_utc is not None:
            cause = text_of(event.get("cause"), 40) or "unknown"
            begun = PastOutage(agent=agent, role=role, cause=cause, since_utc=since_utc)
            self._open.setdefault((agent, role), begun)

    def _end(self, event: dict[str, Any]) -> None:
        agent, role, back_utc = (text_of(event.get(name), 40) for name in ("agent", "role", "ts_utc"))
        ended = [self._open.pop((agent, one), None) for one in {role, None}] if agent is not None else []
        self._over.extend(replace(one, back_utc=back_utc or "") for one in ended if one is not None)
