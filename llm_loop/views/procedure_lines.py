"""What happens between the attempts of a run, in plain lines: validated in vain, diagnosed, mended, taken back."""

from __future__ import annotations

from collections.abc import Callable

from llm_loop.contract.procedure import ModelRepair, StepState
from llm_loop.memory.journal import Event
from llm_loop.views.untrusted import dict_of, list_of, text_of, texts_of

_TEXT_CHARACTERS = 300
_MOST_CHECKS = 4
_TOLD = {StepState.FAILED.value: "does not pass validation", StepState.UNKNOWN.value: "cannot be checked"}


def _validated(run: str, event: Event) -> list[str]:
    """Tell the checks that failed or could not be made; [] where all is well."""
    checks = [check for check in map(dict_of, list_of(event.get("checks"))) if check.get("state") in _TOLD]
    lines = [f"{run} {_TOLD[check['state']]}: {_check(check)}" for check in checks[:_MOST_CHECKS]]
    return lines or ([] if event.get("ok") else [f"{run} does not pass validation"])


def _check(check: Event) -> str:
    name, why = text_of(check.get("name"), 40) or "a check", text_of(check.get("why"), _TEXT_CHARACTERS)
    return name + (f": {why}" if why else "")


def _diagnosed(run: str, event: Event) -> list[str]:
    diagnosis = dict_of(event.get("diagnosis"))
    line = text_of(diagnosis.get("evidence_line"), _TEXT_CHARACTERS)
    cause = text_of(diagnosis.get("cause"), 60) or "unknown"
    return [f"{run} failed in {_said(event, 'phase')}: {cause}" + (f": {line}" if line else "")]


def _mend_intended(run: str, event: Event) -> list[str]:
    mend = dict_of(event.get("mend"))
    return [f"{run} is repaired by {_said(mend, 'rule')}: {_said(mend, 'why')}"]


def _mend_done(run: str, event: Event) -> list[str]:
    return [f"{run} {'was repaired' if event.get('ok') else 'could not be repaired'}: {_said(event, 'outcome')}"]


def _model_repair(run: str, event: Event) -> list[str]:
    if event.get("state") == ModelRepair.WANTED:
        return [f"{run}: no rule mends it, an agent is asked for a mend"]
    return [f"{run}: no agent mends it: {_said(event, 'why')}"] if event.get("state") == ModelRepair.GIVEN_UP else []


def _undo_intended(run: str, event: Event) -> list[str]:
    count = len(texts_of(event.get("records")))
    return [f"{run}: what was installed for it is taken back ({count} install{'' if count == 1 else 's'})"]


def _undo_done(run: str, event: Event) -> list[str]:
    return [
        f"{run}: {'an install was taken back' if event.get('ok') else 'an install stays'}: {_said(event, 'outcome')}"
    ]


def _said(event: Event, name: str) -> str:
    return text_of(event.get(name), _TEXT_CHARACTERS) or "-"


PROCEDURE_LINES: dict[str, Callable[[str, Event], list[str]]] = {
    "validated": _validated,
    "diagnosed": _diagnosed,
    "mend_intended": _mend_intended,
    "mend_done": _mend_done,
    "model_repair": _model_repair,
    "undo_intended": _undo_intended,
    "undo_done": _undo_done,
}
"""How each kind of event is told, given the words for its run."""
