"""The procedure of one run, from its events in the journal: steps, failures as diagnosed, mends, what was taken back.

The loop's own folding is asked, so that this tells of a closed run what ``status`` told of it while it was open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Run
from llm_loop.memory.folding import apply
from llm_loop.memory.journal import Event
from llm_loop.memory.state import LoopState
from llm_loop.views.procedure_status import steps_of
from llm_loop.views.untrusted import clean, dict_of, text_of

_NO_FIT = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
_COMMAND_CHARACTERS = 4000
_SENTENCE = 600
_COPY = re.compile(r"autofix_configs[\\/]+([\w.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProcedure:
    """Hold the procedure of a run, each part oldest first, in JSON form.

    ``run_state`` is where the run stands. ``steps`` are as in ``status``. ``diagnoses`` are a ``Diagnosis`` with its
    phase. ``mends`` have rule, kind, phase, cause, why, ok, outcome, ``record`` (what takes the install back),
    ``patched_config`` (the copy that was made) and ``command`` (as it was run from then on), None where there is none.
    ``undone`` are the records that were taken back, or could not be. ``command`` is what is run now or ran last.
    """

    run_state: str | None = None
    steps: tuple[dict[str, Any], ...] = ()
    diagnoses: tuple[dict[str, Any], ...] = ()
    mends: tuple[dict[str, Any], ...] = ()
    undone: tuple[dict[str, Any], ...] = ()
    command: str | None = None


def procedure_of(staged: Event, events: Iterable[Event], paths: WorkspacePaths) -> RunProcedure:
    """Return the procedure of the run that the first event made; events that do not fit are passed over."""
    run_id, commands, diagnoses, undone = str(staged["run"]["run_id"]), {}, [], []
    state = _after(LoopState(), staged)
    for event in events:
        match event["event"]:
            case "cycle":
                continue  # it closes the run
            case "diagnosed":
                diagnoses.append({"phase": text_of(event.get("phase"), 40)} | dict_of(event.get("diagnosis")))
            case "mend_done" if run_id in state.runs and isinstance(event.get("command"), str):
                commands[len(state.runs[run_id].procedure.mends) - 1] = event["command"]
            case "undo_done":
                undone.append(
                    {"ok": event.get("ok") is True} | {name: event.get(name) for name in ("record", "outcome")}
                )
        state = _after(state, event)
    run = state.runs.get(run_id)
    if run is None:  # of another version
        return RunProcedure(diagnoses=tuple(diagnoses), undone=tuple(undone))
    return RunProcedure(
        run_state=run.state.value,
        steps=tuple(asdict(step) for step in steps_of(run.procedure)),
        diagnoses=tuple(diagnoses),
        mends=tuple(_mends(run, commands, paths.autofix_configs)),
        undone=tuple(undone),
        command=clean(run.command, _COMMAND_CHARACTERS),
    )


def _after(state: LoopState, event: Event) -> LoopState:
    try:
        return apply(state, {"seq": 0} | event)
    except _NO_FIT:
        return state


def _mends(run: Run, commands: dict[int, str], copies: Path) -> Iterable[dict[str, Any]]:
    for place, done in enumerate(run.procedure.mends):
        mend, command = done.mend, commands.get(place)
        found = None if command is None or not mend.changes else _COPY.search(command)
        yield {
            "rule": clean(str(mend.rule), 80),
            "kind": mend.kind.value,
            "phase": mend.phase.value,
            "cause": mend.cause.value,
            "why": clean(str(mend.why), _SENTENCE),
            "ok": done.ok,
            "outcome": text_of(mend.outcome, _SENTENCE),
            "record": text_of(done.record, _SENTENCE),
            "patched_config": None if found is None else str(copies / found[1]),
            "command": text_of(command, _COMMAND_CHARACTERS),
        }
