"""Which agent is out, why, and until when: kept over restarts, so that a new daemon does not ask in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from llm_loop.memory.journal import Event
from llm_loop.system.clock import parse_utc

_ACCOUNT = "account"
_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Hold one row of failed calls. ``role`` is None where the whole account is out.

    ``since_utc`` is the first failure of the row, ``told_utc`` the last one, ``until_utc`` the end of the rest after
    it. ``failures`` counts the row.
    """

    agent: str
    role: str | None
    cause: str
    message: str
    failures: int
    wait_s: float
    since_utc: str
    told_utc: str
    until_utc: str

    def wait_left_s(self, now: datetime) -> float:
        """Return the seconds of rest that are left, 0 when it is over.

        A clock that was set back since the failure ends the rest: how much of it is over, nobody knows.
        """
        if now < parse_utc(self.told_utc):
            return 0.0
        return max(0.0, (parse_utc(self.until_utc) - now).total_seconds())

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError, KeyError or ValueError when it is not one."""
        outage = cls(**{name: value[name] for name in cls.__slots__})
        parse_utc(outage.told_utc), parse_utc(outage.until_utc)
        return outage

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self)


# rows of failures that no good call has ended yet, by agent and role; at most three an agent
Outages = Mapping[str, Outage]


def outage_of(outages: Outages, agent: str, role: str | None) -> Outage | None:
    """Return the row of failures of one role of an agent, or of its account (role None); None for none."""
    return outages.get(_key(agent, role))


def next_failures(outages: Outages, agent: str, role: str | None) -> int:
    """Return which in a row a failure is that has just happened to this role, or to the account (role None)."""
    before = outage_of(outages, agent, role)
    return 1 if before is None else before.failures + 1


def told_out(outages: Outages, agent: str, role: str) -> bool:
    """Tell whether the role or the account has a row of failures, resting still or not."""
    return any(outage_of(outages, agent, one) is not None for one in (role, None))


def resting(outages: Outages, agent: str, role: str, now: datetime) -> Outage | None:
    """Return the outage for which the role may not ask the agent at ``now``, the longest one; None when it may."""
    found = [outage for one in (role, None) if (outage := outage_of(outages, agent, one)) is not None]
    waiting = [outage for outage in found if outage.wait_left_s(now) > 0]
    return max(waiting, key=lambda outage: outage.wait_left_s(now), default=None)


def with_outage(outages: Outages, event: Event) -> dict[str, Outage]:
    """Return the outages after an ``agent_out`` event."""
    agent, role = event["agent"], event["role"]
    before = outage_of(outages, agent, role)
    outage = Outage(
        agent=agent,
        role=role,
        cause=event["cause"],
        message=str(event["message"])[:_MESSAGE_CHARACTERS],
        failures=event["failures"],
        wait_s=event["wait_s"],
        since_utc=event["ts_utc"] if before is None else before.since_utc,
        told_utc=event["ts_utc"],
        until_utc=event["until_utc"],
    )
    return {**outages, _key(agent, role): outage}


def without_outage(outages: Outages, agent: str, role: str | None) -> dict[str, Outage]:
    """Return the outages after the agent gave a good answer in ``role``: the account is back too.

    With role None all of the agent's are over.
    """

    def is_over(outage: Outage) -> bool:
        return outage.agent == agent and (role is None or outage.role in (role, None))

    return {key: outage for key, outage in outages.items() if not is_over(outage)}


def _key(agent: str, role: str | None) -> str:
    return f"{agent}/{role or _ACCOUNT}"
