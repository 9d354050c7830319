"""Diagnose: from what a failed attempt left behind to the cause of its failure. Pure.

Everything is read: how it ended, the exit code, the last numbers, the last traceback with what it was caused by, and
single lines. Each reading has a confidence, and the surest one is the diagnosis. What the logs say is hostile text:
its end is read, in bounded time, and a name in it is data.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_loop.contract.diagnosis import Cause, Diagnosis
from llm_loop.stages.diagnosing.endings import findings_of_ending
from llm_loop.stages.diagnosing.evidence import FailureEvidence, Finding, clean_line, lines_of
from llm_loop.stages.diagnosing.exception_rules import EXCEPTION_RULES
from llm_loop.stages.diagnosing.line_rules import LINE_RULES
from llm_loop.stages.diagnosing.meanings import MEANINGS
from llm_loop.stages.diagnosing.rules import findings_in, findings_on
from llm_loop.stages.diagnosing.tracebacks import Raised, last_raised
from llm_loop.system.processes import EndCause

__all__ = ["FailureEvidence", "candidates", "diagnose", "diagnose_check", "diagnosis_of"]

_EARLIER_IN_THE_CHAIN = 0.93
_BESIDE_A_TRACEBACK = 0.85
_ON_STDOUT = 0.9
_MOST_LINES = 120
_UNKNOWN = 0.1
_NOT_OUR_CODE = re.compile(r"(?:site|dist)-packages/|/lib(?:64)?/python\d|/[Pp]ython[\d.]*/Lib/|^<")
_OF_CODE = frozenset({"AttributeError", "TypeError", "KeyError", "IndexError", "NameError", "AssertionError"})
"""Exceptions that code which was just edited raises more often than anything around it does."""


def diagnose(evidence: FailureEvidence) -> Diagnosis:
    """Return the surest cause of a failure; ``unknown``, with the last words, where nothing tells."""
    found = candidates(evidence)
    best = max(found, key=lambda one: one.confidence) if found else _last_words(evidence)
    return diagnosis_of(best.cause, best.line, dict(best.details), best.confidence)


def diagnose_check(
    failed: Mapping[str, Any], dry_run: Mapping[str, Any] | None, edited_files: tuple[str, ...]
) -> Diagnosis:
    """Return why a check before the launch failed: in its own words, or as the dry run's output tells it.

    ``failed`` and ``dry_run`` are entries of the answer of ``llm_loop.validation.check``.
    """
    if failed["name"] != "dry_run":
        cause = Cause.UNKNOWN if failed["cause"] is None else Cause(failed["cause"])
        return diagnosis_of(cause, failed["line"] or failed["why"], failed["details"])
    told = dry_run or {}
    evidence = FailureEvidence(
        ending=EndCause.EXITED,
        exit_code=told.get("exit_code"),
        stderr=told.get("stderr", ""),
        stdout=told.get("stdout", ""),
        edited_files=edited_files,
    )
    return diagnose(evidence)


def diagnosis_of(
    cause: Cause, line: str | None, details: Mapping[str, str | int | bool], confidence: float = 1.0
) -> Diagnosis:
    """Return the diagnosis of a cause that is known, with what follows from it."""
    meaning = MEANINGS[cause]
    return Diagnosis(
        cause=cause,
        confidence=confidence,
        severity=meaning.severity,
        is_failure_of_idea=meaning.is_of_idea or (cause is Cause.UNKNOWN and "exception" in details),
        evidence_line=None if line is None else clean_line(line),
        details=dict(details),
    )


def candidates(evidence: FailureEvidence) -> list[Finding]:
    """Return every reading of the evidence, of which the surest is the diagnosis."""
    found = list(findings_of_ending(evidence))
    for text, weight in ((evidence.stderr, 1.0), (evidence.stdout, _ON_STDOUT)):
        said = _of_log(text, evidence, weight)
        is_asked = evidence.ending in (EndCause.STOPPED, EndCause.DEADLINE)  # its KeyboardInterrupt is how it obeyed
        found += (one for one in said if not (is_asked and one.cause is Cause.INTERRUPT))
    if evidence.detail:
        found += findings_on(clean_line(evidence.detail), LINE_RULES, evidence, _ON_STDOUT)
    return found


def _of_log(text: str, evidence: FailureEvidence, weight: float) -> Iterator[Finding]:
    lines = lines_of(text)
    chain = last_raised(lines)
    for depth, raised in enumerate(chain):
        of_this = weight * (1.0 if depth == 0 else _EARLIER_IN_THE_CHAIN)
        for finding in findings_in(raised, EXCEPTION_RULES, evidence, of_this):
            yield _with_place(finding, raised, evidence)
    if chain and (of_code := _of_edited_code(chain, evidence, weight)) is not None:
        yield of_code
    of_lines = weight * (_BESIDE_A_TRACEBACK if chain else 1.0)
    for line in [line for line in lines if line.strip()][-_MOST_LINES:]:
        yield from findings_on(line, LINE_RULES, evidence, of_lines)


def _of_edited_code(chain: Sequence[Raised], evidence: FailureEvidence, weight: float) -> Finding | None:
    """Return that the edited code may be at fault, where the innermost code of ours in the last traceback is edited."""
    place = _place(chain[0], evidence)
    if place.get("edited") is not True:
        return None
    confidence = (0.74 if chain[0].name in _OF_CODE else 0.5) * weight
    details = tuple({**place, "exception": chain[0].name}.items())
    return Finding(cause=Cause.CODE_ERROR, confidence=confidence, line=clean_line(chain[0].line), details=details)


def _with_place(finding: Finding, raised: Raised, evidence: FailureEvidence) -> Finding:
    if finding.cause is not Cause.CODE_ERROR:
        return finding
    details = (*finding.details, *_place(raised, evidence).items())
    return Finding(cause=finding.cause, confidence=finding.confidence, line=finding.line, details=details)


def _place(raised: Raised, evidence: FailureEvidence) -> dict[str, str | int | bool]:
    """Return file, line and whether it was edited, of the innermost code that no package brought; {} without one."""
    own = [frame for frame in raised.frames if not _NOT_OUR_CODE.search(_slashed(frame.file))]
    if not own:
        return {}
    frame = own[-1]
    is_edited = any(_is_at(_slashed(frame.file), edited) for edited in evidence.edited_files)
    return {"file": clean_line(frame.file), "line": frame.line, "edited": is_edited}


def _is_at(file: str, edited: str) -> bool:
    wanted = posixpath.normpath(_slashed(edited))
    return file == wanted or file.endswith(f"/{wanted}")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _last_words(evidence: FailureEvidence) -> Finding:
    """Return that the cause is unknown, with the exception or else the last line that was printed."""
    for text in (evidence.stderr, evidence.stdout, evidence.detail or ""):
        lines = lines_of(text)
        if chain := last_raised(lines):
            details = tuple({"exception": chain[0].name, **_place(chain[0], evidence)}.items())
            return Finding(cause=Cause.UNKNOWN, confidence=_UNKNOWN, line=clean_line(chain[0].line), details=details)
        if said := next((line for line in reversed(lines) if line.strip()), None):
            return Finding(cause=Cause.UNKNOWN, confidence=_UNKNOWN, line=clean_line(said))
    wordless = None if evidence.exit_code is None else f"exit code {evidence.exit_code}, and not a word printed"
    return Finding(cause=Cause.UNKNOWN, confidence=_UNKNOWN, line=wordless)
