"""The story of one run, from the journal: who proposed it, what gate and mentor said, what code ran, how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.memory.journal import Event
from llm_loop.memory.journal_parts import lines_forwards
from llm_loop.views.run_procedure import RunProcedure, procedure_of
from llm_loop.views.untrusted import clean, dict_of, list_of, plain, text_of
from llm_loop.views.wording import typed

_BROKEN = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStory:
    """Hold one run as the journal tells it.

    ``ended`` is the history row of its ending, None while it is open; ``detail`` says more of how it ended. ``code``
    is the form of a ``RunCode``, {} in a journal of before code versions. ``use`` is what the model calls of its cycle
    cost, None while that is open. ``repair_of`` is the failed run that an agent mends with this one, ``reproduces``
    the run that a person has run once more. ``procedure`` are the steps and mends; ``to_json`` has its fields beside
    the others.
    """

    run_id: str
    label: str
    state: str
    decision: dict[str, Any]
    proposer: str
    cycle: int
    cycle_trace_id: str
    proposals: tuple[dict[str, Any], ...]
    review: dict[str, Any] | None
    code: dict[str, Any]
    attempts: tuple[dict[str, Any], ...]
    ended: dict[str, Any] | None
    detail: str | None
    folder: str
    use: dict[str, Any] | None = None
    repair_of: str | None = None
    reproduces: str | None = None
    procedure: RunProcedure = field(default_factory=RunProcedure)

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``show --json`` (schema_version 1)."""
        value = {name: getattr(self, name) for name in self.__slots__} | asdict(self.procedure)
        del value["procedure"]
        return {"schema_version": 1, **{name: _with_lines(one) for name, one in value.items()}}


def read_story(paths: WorkspacePaths, wanted: str) -> RunStory:
    """Return the story of the run with that id or label. Raises LoopError when the journal knows none, OSError."""
    staged: Event | None = None
    events: list[Event] = []
    for event in events_holding(paths.events, wanted):
        run = dict_of(event.get("run"))
        if event["event"] == "run_staged" and wanted in (run.get("run_id"), run.get("label")):
            staged, events = event, []
        elif staged is not None and event.get("run_id") == staged["run"].get("run_id"):
            events.append(event)
    if staged is None:
        raise LoopError(f"no run {clean(wanted, 80)!r} in {paths.events}: `{typed('status')}` names the latest ones")
    run_id = staged["run"].get("run_id")
    if run_id != wanted and isinstance(run_id, str):
        return read_story(paths, run_id)
    try:
        return _story(staged, events, paths)
    except _BROKEN as error:
        why = f"the events of {clean(wanted, 80)} are not as the loop writes them ({type(error).__name__}: {error})"
        raise LoopError(f"{paths.events}: {why}") from error


def events_holding(path: Path, wanted: str) -> Iterator[Event]:
    """Yield the journal's events that hold the wanted text, oldest first; lines that are no events are left out.

    A missing journal holds none.
    """
    needle = json.dumps(wanted, ensure_ascii=False)[1:-1].encode("utf-8", "backslashreplace")
    for line in lines_forwards(path):
        if needle in line:
            event = _event(line)
            if event is not None:
                yield event


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _story(staged: Event, events: list[Event], paths: WorkspacePaths) -> RunStory:
    run = staged["run"]
    code = dict(run.get("code") or {})
    attempts: list[dict[str, Any]] = []
    row: dict[str, Any] | None = None
    detail: str | None = None
    use: dict[str, Any] | None = None
    for event in events:
        match event["event"]:
            case "attempt_intended":
                attempts.append(dict(event["attempt"]))
            case "attempt_ended" if attempts:
                attempts[-1] |= {name: event.get(name) for name in ("cause", "exit_code", "duration_s", "detail")}
            case "code_version" if event["moment"] == "launch":
                code |= {"version": event["version"], "repository_version": event["version"]}
            case "code_version":
                code |= {"version_at_end": event["version"]}
            case "code_placed":
                code |= {"place": event["place"]}
            case "run_ended":
                row, detail = dict(event["row"]), text_of(event.get("detail"), 600)
            case "cycle":
                use = dict_of(event.get("use")) or None
    record = run["cycle_record"]
    return RunStory(
        run_id=clean(run["run_id"], 40),
        label=clean(run["label"], 120),
        state="open" if row is None else clean(row["state"], 40),
        decision=dict(run["decision"]),
        proposer=clean(run["proposer"], 40),
        cycle=int(run["cycle"]),
        cycle_trace_id=clean(run["cycle_trace_id"], 40),
        proposals=tuple(map(dict_of, list_of(record["proposals"]))),
        review=dict_of(record["review"]) or None,
        code=code,
        attempts=tuple(attempts),
        ended=row,
        detail=detail,
        folder=str(paths.run(run["run_id"])),
        use=use,
        repair_of=text_of(run.get("repair_of"), 40),
        reproduces=text_of(run.get("reproduces"), 40),
        procedure=procedure_of(staged, events, paths),
    )


def _with_lines(value: Any) -> Any:
    """Return a value as ``plain`` does, but with the line ends and tabs of texts: JSON writes those as signs."""
    if isinstance(value, dict):
        return {str(plain(key)): _with_lines(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_lines(item) for item in value]
    if isinstance(value, str):
        return "".join(char if char.isprintable() or char in "\n\t" else " " for char in value)
    return plain(value)
