"""The agents in a few plain lines: who decides and why, the cost, the sandbox, the mentor's worth."""

from __future__ import annotations

from collections.abc import Mapping

from llm_loop.contract.call_report import TokenUse
from llm_loop.memory.mentor_worth import MentorWorth, Outcome
from llm_loop.memory.money import Money
from llm_loop.views.agents_status import MENTOR, WORKER, AgentsStatus, OutageStatus, RoleStatus
from llm_loop.views.past_outages import PastOutage
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import local_moment

_NAMES = {"codex": "Codex", "builtin": "the built-in planner", "command": "the command"}
_OUTCOMES = {
    Outcome.GAINED: "gained",
    Outcome.TIED: "tied",
    Outcome.LOST: "lost",
    Outcome.FIRST: "without a mark before it",
    Outcome.FAILED: "without a result",
    Outcome.NO_RUN: "without a run",
}
_MESSAGE_CHARACTERS = 160


def lines_of(status: AgentsStatus) -> list[str]:
    """Return the lines, times local; those that have nothing to tell are left out."""
    return [
        *_who(status),
        *(_past(outage, status) for outage in status.past_outages),
        *(_role(role) for role in status.roles if role.agent != "builtin" or role.failed),
        *_total(status),
        *_sandbox(status),
        *_worth(status.mentor_worth),
    ]


def _who(status: AgentsStatus) -> list[str]:
    mentor = status.outage_of(MENTOR)
    told = mentor is None or (mentor.role is None and status.mentor == status.worker)
    if mentor is None or told or not mentor.rests:
        return [_worker(status)]
    return [_worker(status), f"the mentor is out since {_at(mentor.since_utc, status)}: {_why(mentor, status)}"]


def _worker(status: AgentsStatus) -> str:
    outage, budget, name = status.outage_of(WORKER), status.budget, _NAMES.get(status.worker, status.worker)
    if status.decides == status.worker:
        again = "" if outage is None else f", after {outage.failures} failed in a row: {_why(outage, status)}"
        return f"{name} decides{again}"
    stand_in = "nobody" if status.decides is None else _NAMES.get(status.decides, status.decides)
    if budget is not None:
        until = "until the limit is raised" if budget.until_utc is None else f"until {_at(budget.until_utc, status)}"
        return f"{stand_in} decides, {name} rests {until}: {budget.sentence}"
    if outage is None:
        return f"{stand_in} decides"
    return f"{stand_in} decides since {_at(outage.since_utc, status)}, {name} is out: {_why(outage, status)}"


def _why(outage: OutageStatus, status: AgentsStatus) -> str:
    until = f" until {_at(outage.until_utc, status)}" if outage.rests else ""
    message = clean(outage.message, _MESSAGE_CHARACTERS)
    return f"{clean(outage.cause, 40).replace('_', ' ')}{until}" + (f" ({message})" if message else "")


def _past(outage: PastOutage, status: AgentsStatus) -> str:
    name = _NAMES.get(outage.agent, outage.agent)
    who = name if outage.role in (None, WORKER) else f"{name} as {outage.role}"
    runs = outage.stand_in_runs
    meanwhile = f"; the built-in planner proposed {_counted(runs, 'run')} meanwhile" if runs else ""
    span = f"from {_at(outage.since_utc, status)} to {_at(outage.back_utc, status)}"
    return f"{who} was out {span}: {outage.cause.replace('_', ' ')}{meanwhile}"


def _role(role: RoleStatus) -> str:
    name = _NAMES.get(role.agent, clean(role.agent, 40))
    calls = _counted(role.calls, "call")
    parts = [f"{clean(role.role, 40)}, {name.removeprefix('the ')}: {calls}{_failed(role.failed)}"]
    if role.tokens != TokenUse():
        parts.append(_tokens(role.tokens))
    if role.money is not None:
        parts.append(_money(role.money))
    return ", ".join(parts)


def _total(status: AgentsStatus) -> list[str]:
    if not any(role.agent != "builtin" for role in status.roles):
        return []
    total = status.tokens.input + status.tokens.output
    least = f" at least ({_counted(status.unknown_usage, 'call')} told none)" if status.unknown_usage else ""
    parts = [f"{status.calls_tonight} since this start", f"{status.calls_last_hour} within the hour"]
    parts += [f"{total:,} tokens in all{least}"] + ([] if status.money is None else [_money(status.money)])
    return [f"model calls: {', '.join(parts)}"]


def _sandbox(status: AgentsStatus) -> list[str]:
    sandbox = status.sandbox
    if sandbox is None:
        return []
    pinned = "pinned, " if sandbox.pinned else ""
    mend = f"; mend: {clean(sandbox.mend, 300)}" if sandbox.mend else ""
    return [f"sandbox {clean(sandbox.mode, 40)}: {pinned}{clean(sandbox.reason, 300)}{mend}"]


def _worth(worth: MentorWorth) -> list[str]:
    if not worth.asked:
        return []
    adopted, declined = sum(worth.adopted.values()), sum(worth.declined.values())
    unreached = f", {worth.unreached} without an answer" if worth.unreached else ""
    due, challenges = _counted(worth.asked, "time"), _counted(worth.challenges, "challenge")
    lines = [f"mentor: due {due}{unreached}; {challenges}, {adopted} adopted"]
    if adopted:
        lines.append(f"  adopted: {_counts(worth.adopted)}")
    if declined:
        lines.append(f"  not adopted, the worker's own: {_counts(worth.declined)}")
    if worth.challenges and worth.others:
        lines.append(f"  all other cycles: {_counts(worth.others)}")
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[outcome]} {words}" for outcome, words in _OUTCOMES.items() if counts.get(outcome))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _failed(failed: Mapping[str, int]) -> str:
    if not failed:
        return ""
    causes = sorted(failed.items(), key=lambda pair: -pair[1])
    return f" ({sum(failed.values())} failed: {', '.join(f'{count} {clean(cause, 40)}' for cause, count in causes)})"


def _tokens(tokens: TokenUse) -> str:
    return (
        f"{tokens.input:,} tokens in ({tokens.cached_input:,} cached), "
        f"{tokens.output:,} out ({tokens.reasoning_output:,} reasoning)"
    )


def _money(money: Money) -> str:
    without = money.unpriced_tokens
    unpriced = f" ({without:,} tokens of models that price_table does not name)" if without else ""
    amount = f"{money.amount:.2f}" if money.amount >= 0.1 else f"{money.amount:.2g}"
    return f"{amount} {clean(money.currency, 8)}{unpriced}"


def _at(utc: str, status: AgentsStatus) -> str:
    """Return a moment as local ``HH:MM``, with its date where it is another day's."""
    moment, now = local_moment(utc), local_moment(status.taken_utc)
    return moment[11:16] if moment[:10] == now[:10] else moment[:16]
