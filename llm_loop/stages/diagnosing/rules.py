"""What a rule of the tables is, and how rules are applied to exceptions and to single lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_loop.contract.diagnosis import Cause
from llm_loop.stages.diagnosing.evidence import FailureEvidence, Finding, clean_line
from llm_loop.stages.diagnosing.names import usable_model, usable_module
from llm_loop.stages.diagnosing.tracebacks import Raised

_USABLE = {"module": usable_module, "model": usable_model}
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """Hold one wording: the cause it tells, how surely, its pattern, the exception classes that say it ("" = any).

    The named groups of the pattern become details. ``windows`` None: wherever it is said. ``raised_in``: the end of the
    file in which the exception was raised, "" for any.
    """

    cause: Cause
    confidence: float
    pattern: re.Pattern[str]
    exceptions: frozenset[str] = frozenset()
    windows: bool | None = None
    raised_in: str = ""


def rule(
    cause: Cause, confidence: float, exceptions: str, pattern: str, *, windows: bool | None = None, raised_in: str = ""
) -> Rule:
    """Return a rule; ``exceptions`` are class names with blanks between, ``pattern`` is sought in a whole message."""
    return Rule(cause, confidence, re.compile(pattern, re.DOTALL), frozenset(exceptions.split()), windows, raised_in)


def findings_in(raised: Raised, rules: Sequence[Rule], evidence: FailureEvidence, weight: float) -> Iterator[Finding]:
    """Yield what the rules find in one exception: in the first line of its message, else in all of it."""
    file = raised.frames[-1].file.replace("\\", "/") if raised.frames else ""
    first = raised.message.partition("\n")[0]
    for one in rules:
        if (one.exceptions and raised.name not in one.exceptions) or not file.endswith(one.raised_in):
            continue
        if _applies(one, evidence) and (match := one.pattern.search(first) or one.pattern.search(raised.message)):
            yield _finding(one, match, raised.line, weight)


def findings_on(line: str, rules: Sequence[Rule], evidence: FailureEvidence, weight: float) -> Iterator[Finding]:
    """Yield what the rules find on one line."""
    for one in rules:
        if _applies(one, evidence) and (match := one.pattern.search(line)):
            yield _finding(one, match, line, weight)


def _applies(one: Rule, evidence: FailureEvidence) -> bool:
    return one.windows is None or one.windows is evidence.is_windows


def _finding(one: Rule, match: re.Match[str], line: str, weight: float) -> Finding:
    details: list[tuple[str, str | int | bool]] = []
    for name, text in match.groupdict().items():
        if text is None:
            continue
        if name not in _USABLE:
            details.append((name, clean_line(text)[:_LONGEST_DETAIL]))
        elif _USABLE[name](text):
            details.append((name, text))
        else:
            details.append(("name_is_usable", False))
    return Finding(
        cause=one.cause,
        confidence=round(one.confidence * weight, 4),
        line=clean_line(line),
        details=tuple(details),
    )
