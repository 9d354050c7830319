"""The procedure of one run as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_loop.views.run_procedure import RunProcedure
from llm_loop.views.untrusted import number_of, text_of
from llm_loop.views.wording import local_time

_TEXT = 600


def procedure_lines(procedure: RunProcedure) -> Iterator[str]:
    """Yield the steps, the failures as diagnosed, the mends and what was taken back; times local."""
    yield from map(_step_line, procedure.steps)
    yield from map(_diagnosis_line, procedure.diagnoses)
    for mend in procedure.mends:
        yield from _mend_lines(mend)
    for one in procedure.undone:
        what = "undone  " if one["ok"] else "stays   "
        yield f"  {what} {text_of(one['record'], _TEXT)}: {text_of(one['outcome'], _TEXT) or '-'}"


def _step_line(step: dict[str, Any]) -> str:
    seconds, cause = number_of(step["seconds"]), step["cause"]
    parts = [step["state"]] + ([] if seconds is None else [f"{seconds:.1f} s"])
    parts += [] if step["ended_utc"] is None else [f"ended {local_time(step['ended_utc'])}"]
    what = f"{step['step']} {step['number']} (attempt {step['attempt']})"
    return f"  step     {what}: {', '.join(parts)}" + (f": {cause}" if cause else "")


def _diagnosis_line(diagnosis: dict[str, Any]) -> str:
    confidence, line = number_of(diagnosis.get("confidence")), text_of(diagnosis.get("evidence_line"), _TEXT)
    sure = None if confidence is None else f"{confidence:.0%} sure"
    marks = ", ".join(filter(None, [text_of(diagnosis.get("severity"), 40), sure]))
    cause = text_of(diagnosis.get("cause"), 60) or "unknown"
    about = f"in {diagnosis['phase'] or 'an unknown phase'}: {cause}" + (f" ({marks})" if marks else "")
    return f"  failed   {about}" + (f": {line}" if line else "")


def _mend_lines(mend: dict[str, Any]) -> Iterator[str]:
    ends = {True: "done", False: "in vain", None: "not done yet"}
    outcome = f": {mend['outcome']}" if mend["outcome"] and mend["outcome"] != mend["why"] else ""
    yield f"  mend     {mend['rule']} ({mend['cause']}): {mend['why']}; {ends[mend['ok']]}{outcome}"
    named = (("record", mend["record"]), ("config", mend["patched_config"]), ("command", mend["command"]))
    yield from (f"           {word:<8} {text_of(text, _TEXT)}" for word, text in named if text is not None)
