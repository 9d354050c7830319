"""Failures and repairs: how runs ended, why some failed, and what mending came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_loop.report.document import Block, Code, Heading, Paragraph, Table, Text
from llm_loop.report.failures import FailureGroup
from llm_loop.report.material import Material
from llm_loop.report.wording import counted
from llm_loop.views.untrusted import clean

_MOST_GROUPS = 12
_MOST_NAMED = 4


def failures_and_repairs(material: Material) -> Iterator[Block]:
    """Yield the section."""
    failures, night = material.findings.failures, material.facts.night
    yield Heading(level=2, text="Failures and repairs")
    states = ", ".join(f"{count:,} {clean(state, 40).replace('_', ' ')}" for state, count in failures.states.items())
    yield Paragraph(text=f"How runs ended: {states or 'none has ended yet'}.")
    if failures.groups:
        rows = tuple(map(_row, failures.groups[:_MOST_GROUPS]))
        yield Table(head=("cause", "runs", "which", "the line that tells", "what was tried"), rows=rows)
        if len(failures.groups) > _MOST_GROUPS:
            yield Paragraph(text=f"{len(failures.groups) - _MOST_GROUPS} rarer causes are left out.")
    else:
        yield Paragraph(text="No run failed.")
    if failures.mends:
        mends = ((Code(clean(rule, 80)), str(done), str(vain)) for rule, done, vain in failures.mends)
        yield Table(head=("repair", "done", "in vain"), rows=tuple(mends), numbers=frozenset({1, 2}))
        yield Paragraph(text=f"{counted(failures.rescued, 'run')} completed after a repair.")
    if night.outages:
        outages = ", ".join(f"{name} ({count})" for name, count in sorted(night.outages.items()))
        yield Paragraph(text=f"Agents that were out of reach: {outages}.")


def _row(group: FailureGroup) -> tuple[Text, ...]:
    return (
        Code(group.cause),
        str(len(group.run_ids)),
        _named(group.run_ids),
        Code(group.line) if group.line else "-",
        group.tried or "-",
    )


def _named(run_ids: Sequence[str]) -> str:
    named = ", ".join(run_ids[-_MOST_NAMED:])
    return f"{named} and {len(run_ids) - _MOST_NAMED} before" if len(run_ids) > _MOST_NAMED else named
