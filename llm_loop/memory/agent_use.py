"""What the agents were asked and what it cost: calls, failures and tokens, folded from the journal.

A call counts from its intent on: one in flight is money too. What it cost is known when it has ended, where the
client reported it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from llm_loop.contract.call_report import FailureCause, TokenUse
from llm_loop.memory.call_rate import CallRate
from llm_loop.memory.journal import Event
from llm_loop.memory.outages import Outage, with_outage, without_outage
from llm_loop.memory.role_use import CycleUse, RoleUse, summed, with_tokens
from llm_loop.system.clock import parse_utc
from llm_loop.system.processes import EndCause

BUILTIN = "builtin"
_BY_ENDING = {EndCause.DEADLINE: FailureCause.TIMEOUT, EndCause.STOPPED: FailureCause.STOPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """Hold the call in flight."""

    call_id: str
    role: str
    agent: str
    cycle_trace_id: str | None
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUse:
    """Hold what all agents cost.

    ``by_role`` is keyed ``role/agent``. ``night_calls`` counts model calls since the daemon's last start
    (``night_utc``), ``rate`` those of the last hour; the built-in planner's are no model calls. ``cycle`` is the
    cost of the present cycle, ``outages`` say who is out.
    """

    by_role: dict[str, RoleUse] = field(default_factory=dict)
    night_utc: str | None = None
    night_calls: int = 0
    rate: CallRate = field(default_factory=CallRate)
    open_call: OpenCall | None = None
    cycle: CycleUse = field(default_factory=CycleUse)
    outages: dict[str, Outage] = field(default_factory=dict)

    @property
    def tokens(self) -> TokenUse:
        """The tokens of all calls that told them."""
        return summed(tokens for use in self.by_role.values() for tokens in use.tokens.values())

    @property
    def tokens_total(self) -> int:
        """The tokens in and out; those in hold the cached ones, those out the reasoning."""
        return self.tokens.input + self.tokens.output

    @property
    def unknown_usage(self) -> int:
        """The ended model calls that told no tokens: ``tokens`` is at least."""
        return sum(use.unknown_usage for use in self.by_role.values())

    def of(self, role: str, agent: str) -> RoleUse:
        """Return what an agent cost in a role."""
        return self.by_role.get(f"{role}/{agent}", RoleUse(role=role, agent=agent))

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self) | {"rate": self.rate.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises AttributeError, KeyError, TypeError or ValueError."""
        fields = {name: value[name] for name in cls.__slots__}
        fields["by_role"] = {key: RoleUse.from_json(use) for key, use in fields["by_role"].items()}
        fields["rate"] = CallRate.from_json(fields["rate"])
        fields["open_call"] = None if fields["open_call"] is None else OpenCall(**fields["open_call"])
        fields["cycle"] = CycleUse.from_json(fields["cycle"])
        fields["outages"] = {key: Outage.from_json(outage) for key, outage in fields["outages"].items()}
        return cls(**fields)


def apply(use: AgentUse, event: Event) -> AgentUse:
    """Return the use after ``event``: the same one for kinds that do not matter here."""
    change = _CHANGES.get(event["event"])
    return use if change is None else change(use, event)


def failure_cause(call: Mapping[str, Any], unusable: Any = None) -> str | None:
    """Return why a call that ended gave no usable answer; None for a good one.

    The daemon's own word (``failure``) counts, else the report's, else how the call ended, else that the answer was
    refused at the door.
    """
    if "failure" in call:
        return None if call["failure"] is None else str(call["failure"]["cause"])
    report = call.get("report")
    if report is not None and report["failure"] is not None:
        return str(report["failure"]["cause"])
    if call["cause"] != EndCause.EXITED or call["exit_code"] != 0:
        return _BY_ENDING.get(call["cause"], FailureCause.CRASHED).value
    return FailureCause.SCHEMA.value if unusable else None


# ---------------------------------------------------------------- changes, one a kind of event


def _daemon_started(use: AgentUse, event: Event) -> AgentUse:
    return replace(use, night_utc=event["ts_utc"], night_calls=0)


def _cycle_opened(use: AgentUse, event: Event) -> AgentUse:
    return replace(use, cycle=CycleUse(cycle_trace_id=event["cycle_trace_id"]))


def _call_intended(use: AgentUse, event: Event) -> AgentUse:
    role = event.get("role") or ("mentor" if event["step"] == "review" else "worker")
    call = OpenCall(
        call_id=event["call_id"],
        role=role,
        agent=event["agent"],
        cycle_trace_id=event.get("cycle_trace_id"),
        at_utc=event["ts_utc"],
    )
    return replace(_counted(use, call, 1), open_call=call)


def _answered(use: AgentUse, event: Event) -> AgentUse:
    """Take in how a call ended: with a proposal or a review, usable or not."""
    call, opened = event.get("call"), use.open_call
    if call is None or opened is None or call["call_id"] != opened.call_id:
        return use
    use = replace(use, open_call=None)
    if call["cause"] is None:
        return _counted(use, opened, -1)
    record = event["record"]
    cause = failure_cause(call, record.get("unusable") or record.get("error"))
    use = _ended(use, opened, call, cause)
    return use if cause is not None else replace(use, outages=without_outage(use.outages, opened.agent, opened.role))


def _cycle_closed(use: AgentUse, event: Event) -> AgentUse:
    """End a call that was cancelled with its cycle: it was asked, and what it cost nobody told."""
    opened = use.open_call
    if opened is None or opened.cycle_trace_id != event["cycle_trace_id"]:
        return use
    return _ended(replace(use, open_call=None), opened, {}, FailureCause.STOPPED.value)


def _agent_out(use: AgentUse, event: Event) -> AgentUse:
    return replace(use, outages=with_outage(use.outages, event))


def _agent_back(use: AgentUse, event: Event) -> AgentUse:
    return replace(use, outages=without_outage(use.outages, event["agent"], event["role"]))


def _counted(use: AgentUse, call: OpenCall, calls: int) -> AgentUse:
    role = use.of(call.role, call.agent)
    use = _with_role(use, replace(role, calls=role.calls + calls))
    if call.agent == BUILTIN:
        return use
    return replace(
        use,
        night_calls=max(0, use.night_calls + calls),
        rate=use.rate.with_call(parse_utc(call.at_utc), calls),
        cycle=replace(use.cycle, calls=use.cycle.calls + calls),
    )


def _ended(use: AgentUse, opened: OpenCall, call: Mapping[str, Any], cause: str | None) -> AgentUse:
    role = use.of(opened.role, opened.agent)
    failed = role.failed if cause is None else {**role.failed, cause: role.failed.get(cause, 0) + 1}
    tokens = _tokens(call)
    unknown = int(tokens is None and opened.agent != BUILTIN)
    known = role.tokens if tokens is None else with_tokens(role.tokens, call.get("model"), tokens)
    role = replace(
        role,
        failed=failed,
        tokens=known,
        unknown_usage=role.unknown_usage + unknown,
        seconds=role.seconds + (call.get("duration_s") or 0.0),
    )
    cycle = replace(
        use.cycle,
        unknown_usage=use.cycle.unknown_usage + unknown,
        tokens=summed([use.cycle.tokens, tokens or TokenUse()]),
    )
    return replace(_with_role(use, role), cycle=cycle)


def _tokens(call: Mapping[str, Any]) -> TokenUse | None:
    report = call.get("report")
    return None if report is None or report["tokens"] is None else TokenUse(**report["tokens"])


def _with_role(use: AgentUse, role: RoleUse) -> AgentUse:
    return replace(use, by_role={**use.by_role, f"{role.role}/{role.agent}": role})


_CHANGES: dict[str, Callable[[AgentUse, Event], AgentUse]] = {
    "daemon_started": _daemon_started,
    "cycle_opened": _cycle_opened,
    "call_intended": _call_intended,
    "proposal": _answered,
    "review": _answered,
    "cycle": _cycle_closed,
    "agent_out": _agent_out,
    "agent_back": _agent_back,
}
