"""Who decides now and why, what the model calls cost, and what the mentor's word came to: as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from llm_loop.config import Config, SandboxMode
from llm_loop.contract.call_report import TokenUse
from llm_loop.memory.agent_use import BUILTIN, AgentUse
from llm_loop.memory.call_budget import Budget, rest_reason
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.money import Money, cost
from llm_loop.memory.outages import Outage, resting
from llm_loop.memory.role_use import RoleUse, summed
from llm_loop.system.clock import utc_text
from llm_loop.views.past_outages import PastOutage
from llm_loop.views.untrusted import plain, text_of

WORKER, MENTOR = "worker", "mentor"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """Hold the sandbox of Codex, why it is this one, and what would mend it; ``pinned``: a person chose it."""

    mode: str
    reason: str
    mend: str | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageStatus:
    """Hold a row of failures. ``rests``: the agent is not asked until ``until_utc``; else its next call tries."""

    agent: str
    role: str | None
    cause: str
    message: str
    failures: int
    since_utc: str
    until_utc: str
    rests: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """Hold what one agent cost in one role; ``money`` is None without a price table or without tokens."""

    role: str
    agent: str
    calls: int
    failed: dict[str, int]
    unknown_usage: int
    seconds: float
    tokens: TokenUse
    money: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """Hold the limit that is reached; ``until_utc`` is None where no time ends it."""

    key: str
    sentence: str
    until_utc: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsStatus:
    """Hold the agents of one workspace.

    ``worker`` and ``mentor`` name the agents that are wanted (codex, command, builtin), ``decides`` the one that
    decides at ``taken_utc``: the built-in planner while the wanted one is out or rests, None where it may not fill
    in. ``budget`` is the limit that is reached, None for none. ``tokens`` and ``money`` are those of all roles;
    ``unknown_usage`` calls told no tokens, so they are at least. ``past_outages`` are the last three that are over.
    """

    taken_utc: str
    worker: str
    mentor: str | None
    decides: str | None
    outages: tuple[OutageStatus, ...]
    budget: BudgetStatus | None
    calls_tonight: int
    calls_last_hour: int
    tokens: TokenUse
    unknown_usage: int
    money: Money | None
    roles: tuple[RoleStatus, ...]
    sandbox: SandboxStatus | None
    mentor_worth: MentorWorth
    past_outages: tuple[PastOutage, ...] = ()

    def outage_of(self, role: str) -> OutageStatus | None:
        """Return the row of failures that concerns a role, one that rests first; None for none."""
        agent = self.worker if role == WORKER else self.mentor
        found = [one for one in self.outages if one.agent == agent and one.role in (role, None)]
        return max(found, key=lambda one: (one.rests, one.until_utc), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the block of ``status --json``."""
        value: dict[str, Any] = plain(asdict(self))
        return value


def agents_status(
    use: AgentUse,
    worth: MentorWorth,
    *,
    worker: str,
    mentor: str | None,
    config: Config | None,
    sandbox: SandboxStatus | None,
    past_outages: tuple[PastOutage, ...] = (),
    now: datetime,
) -> AgentsStatus:
    """Return the status at ``now``.

    ``worker`` and ``mentor`` are the agents wanted (None: no mentor); without a ``config`` there are neither
    prices nor limits.
    """
    rest = None if config is None else rest_reason(use, Budget.of(config), now)
    rests = worker != BUILTIN and (rest is not None or resting(use.outages, worker, WORKER, now) is not None)
    stand_in = BUILTIN if config is None or config.fallback_planner else None
    roles = tuple(_role(one, config) for _, one in sorted(use.by_role.items()))
    budget = None
    if rest is not None:
        until_utc = None if rest.until is None else utc_text(rest.until)
        budget = BudgetStatus(key=rest.key, sentence=rest.sentence, until_utc=until_utc)
    return AgentsStatus(
        taken_utc=utc_text(now),
        worker=worker,
        mentor=mentor,
        decides=stand_in if rests else worker,
        outages=tuple(_outage(one, now) for _, one in sorted(use.outages.items())),
        budget=budget,
        calls_tonight=use.night_calls,
        calls_last_hour=use.rate.in_hour(now),
        tokens=use.tokens,
        unknown_usage=use.unknown_usage,
        money=_money((pair for one in use.by_role.values() for pair in one.tokens.items()), config),
        roles=roles,
        sandbox=sandbox,
        mentor_worth=worth,
        past_outages=past_outages,
    )


def sandbox_status(said: Mapping[str, Any], config: Config | None) -> SandboxStatus:
    """Return the sandbox that the heartbeat names."""
    mode = text_of(said.get("mode"), 40) or "unknown"
    windows = text_of(said.get("windows_sandbox"), 40)
    return SandboxStatus(
        mode=f"{mode} ({windows})" if windows else mode,
        reason=text_of(said.get("reason"), 400) or "no reason given",
        mend=text_of(said.get("mend"), 400),
        pinned=config is not None and config.sandbox_mode is not SandboxMode.AUTO,
    )


def _role(use: RoleUse, config: Config | None) -> RoleStatus:
    return RoleStatus(
        role=use.role,
        agent=use.agent,
        calls=use.calls,
        failed=use.failed,
        unknown_usage=use.unknown_usage,
        seconds=round(use.seconds, 1),
        tokens=summed(use.tokens.values()),
        money=_money(use.tokens.items(), config) if use.tokens else None,
    )


def _money(tokens: Iterable[tuple[str, TokenUse]], config: Config | None) -> Money | None:
    return None if config is None else cost(tokens, config.price_table, config.price_currency)


def _outage(outage: Outage, now: datetime) -> OutageStatus:
    return OutageStatus(
        agent=outage.agent,
        role=outage.role,
        cause=outage.cause,
        message=outage.message,
        failures=outage.failures,
        since_utc=outage.since_utc,
        until_utc=outage.until_utc,
        rests=outage.wait_left_s(now) > 0,
    )
