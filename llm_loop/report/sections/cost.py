"""Cost: hours, idle share, model calls, tokens, and money where the configuration names prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llm_loop.config import Config
from llm_loop.contract.call_report import TokenUse
from llm_loop.memory.money import Money, cost
from llm_loop.memory.role_use import RoleUse, summed
from llm_loop.report.document import Block, Bullets, Drawn, Heading, Paragraph, Table, Text
from llm_loop.report.material import Material
from llm_loop.report.wording import counted
from llm_loop.views.untrusted import clean, number_of
from llm_loop.views.wording import duration

_HEAD = ("role", "agent", "calls", "failed", "tokens in", "of them cached", "tokens out", "time")
_NUMBERS = frozenset(range(2, len(_HEAD)))


def costs(material: Material) -> Iterator[Block]:
    """Yield the section."""
    yield Heading(level=2, text="Cost")
    yield Bullets(items=tuple(_hours(material)))
    roles = dict(sorted(material.facts.night.agent_use.by_role.items()))
    if roles:
        yield Table(head=_HEAD, rows=tuple(map(_row, roles.values())), numbers=_NUMBERS)
        yield Paragraph(text=_tokens(material, roles))
    yield Drawn(figure=material.figures.slots)


def _hours(material: Material) -> Iterator[Text]:
    night, rows = material.facts.night, material.facts.rows
    starts = counted(len(night.work_time.sessions), "start")
    yield f"The loop was at work for {duration(night.work_time.hours * 3600)} in {starts}."
    trained = sum(seconds for row in rows if (seconds := number_of(row.run_seconds)) is not None)
    cpu = sum(seconds for row in rows if (seconds := number_of(row.cpu_seconds)) is not None)
    processor = f"; {duration(cpu)} of processor time" if cpu else ""
    yield f"Runs took {duration(trained)} in all{processor}."
    idle = night.slot_use.idle_fraction()
    yield (
        "Idle share of the slots: not known before a first run has ended."
        if idle is None
        else f"Idle share of the slots, from the first launch to the last end: {idle:.1%}."
    )
    if night.slot_use.install_s >= 1:
        yield f"Installing packages took {duration(night.slot_use.install_s)}, which counts as neither idle nor use."


def _row(use: RoleUse) -> tuple[Text, ...]:
    tokens = summed(use.tokens.values())
    knows = use.tokens and tokens != TokenUse()
    return (
        clean(use.role, 40),
        clean(use.agent, 40),
        f"{use.calls:,}",
        f"{sum(use.failed.values()):,}",
        f"{tokens.input:,}" if knows else "-",
        f"{tokens.cached_input:,}" if knows else "-",
        f"{tokens.output:,}" if knows else "-",
        duration(use.seconds),
    )


def _tokens(material: Material, roles: Mapping[str, RoleUse]) -> str:
    use = material.facts.night.agent_use
    if not any(role.agent != "builtin" for role in roles.values()):
        return "No model was called: the built-in planner decided everything, at no cost in tokens."
    least = f" At least: {counted(use.unknown_usage, 'call')} told none." if use.unknown_usage else ""
    money = _money(material.facts.config, roles)
    return f"{use.tokens_total:,} tokens in and out.{least}{_priced(money)}"


def _money(config: Config | None, roles: Mapping[str, RoleUse]) -> Money | None:
    tokens = [pair for role in roles.values() for pair in role.tokens.items()]
    return None if config is None else cost(tokens, config.price_table, config.price_currency)


def _priced(money: Money | None) -> str:
    if money is None:
        return " What they cost is not known: the configuration names no prices."
    rest = f", without {money.unpriced_tokens:,} tokens of models without a price" if money.unpriced_tokens else ""
    return f" By the configured prices: {money.amount:.2f} {clean(money.currency, 8)}{rest}."
