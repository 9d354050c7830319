"""What a night has left on disk, read once: decisions, runs, mends, calls for a person, the environment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from tests.repair_night.cases import Case
from tests.repair_night.material import Scene

Event = dict[str, Any]
WITHOUT_A_MEND = ("interrupted", "lost", "void")
"""Endings after which the same is launched again: nothing was wrong with it."""


@dataclass
class Mended:
    """Hold one mend: as intended, as done (None: never), whether it was taken back."""

    intended: Event
    done: Event | None = None
    undone: bool = False

    @property
    def kind(self) -> str:
        return str(self.intended["mend"]["kind"])

    def installed(self) -> dict[str, str]:
        """Return what it left in the environment: exact versions by name."""
        account = [one for one in ((self.done or {}).get("account") or {}).values() if one is not None]
        if self.done is None or not self.done["ok"] or self.done["record"] is None or self.undone:
            return {}
        texts = [text for one in account for text in one.get("packages", ())]
        return {
            name.lower().replace("_", "-"): version for name, _, version in (text.partition("==") for text in texts)
        }


@dataclass
class RunStory:
    """Hold what the journal tells of one run."""

    run_id: str
    label: str
    attempts: list[Event] = field(default_factory=list)
    endings: list[Event] = field(default_factory=list)
    diagnosed: list[Event] = field(default_factory=list)
    mends: list[Mended] = field(default_factory=list)
    ended: list[Event] = field(default_factory=list)
    closed: list[Event] = field(default_factory=list)
    calls: list[Event] = field(default_factory=list)

    @property
    def state(self) -> str | None:
        """The state that it ended in, None while it has not."""
        return None if not self.ended else str(self.ended[-1]["row"]["state"])

    @property
    def value(self) -> float | None:
        result = self.ended[-1]["row"]["result"] if self.ended else None
        return None if result is None else float(result["value"])


class Story:
    """Read the folder of a night."""

    def __init__(self, scene: Scene, cases: list[Case]) -> None:
        self.scene, self.cases = scene, cases
        self.paths = WorkspacePaths(scene.root)
        lines = self.paths.events.read_text(encoding="utf-8").splitlines()
        self.events: list[Event] = [json.loads(line) for line in lines if line.endswith("}")]
        self.runs: dict[str, RunStory] = {}
        self.refused: dict[str, list[str]] = {}
        self.calls = [event for event in self.events if event["event"] == "needs_human"]
        self._last_proposal: dict[int, str] = {}
        for event in self.events:
            self._take(event)

    def of(self, case: Case) -> list[RunStory]:
        """Return the runs of a decision."""
        return [run for run in self.runs.values() if run.label == case.label]

    def starts(self) -> dict[str, list[dict[str, Any]]]:
        """Return what each attempt noted of its starts, by ``R0001/attempt-1``."""
        found = {}
        for path in sorted(self.paths.runs.glob("*/*/starts.jsonl")):
            lines = path.read_text(encoding="utf-8").splitlines()
            found[f"{path.parent.parent.name}/{path.parent.name}"] = [json.loads(line) for line in lines]
        return found

    def recorded_installs(self) -> dict[str, str]:
        """Return what the journal says that the night has added to the environment."""
        found: dict[str, str] = {}
        for run in self.runs.values():
            for mended in run.mends:
                found |= mended.installed()
        return found

    def open_calls(self) -> list[dict[str, Any]]:
        """Return the reasons that state.json holds open."""
        value = json.loads(self.paths.state.read_text(encoding="utf-8"))
        reasons: list[dict[str, Any]] = value["human_intervention_reasons"]
        return reasons

    def _take(self, event: Event) -> None:
        kind = event["event"]
        if kind == "run_staged":
            run = event["run"]
            self.runs[run["run_id"]] = RunStory(run["run_id"], run["label_decided"])
        elif kind == "proposal" and event["record"]["decision"] is not None:
            self._take_proposal(event)
        elif kind == "place_refused":
            self.refused.setdefault(self._last_proposal[event["cycle"]], []).append(event["why"])
        elif (run_id := _run_of(event, self.runs)) is not None:
            _take_of_run(self.runs[run_id], event)

    def _take_proposal(self, event: Event) -> None:
        label = self._last_proposal[event["cycle"]] = event["record"]["decision"]["run_label"]
        if not event["record"]["accepted"]:
            self.refused.setdefault(label, []).append(json.dumps(event["record"]["quality_gate"]))


def _run_of(event: Event, runs: dict[str, RunStory]) -> str | None:
    """Return the run that an event is about; of a call for a person, the one that it names."""
    if event["event"] != "needs_human" or event.get("run_id"):
        return event.get("run_id") if event.get("run_id") in runs else None
    return next((run_id for run_id in runs if run_id in event["why"]), None)


def _take_of_run(run: RunStory, event: Event) -> None:
    lists = {
        "attempt_intended": run.attempts,
        "attempt_ended": run.endings,
        "diagnosed": run.diagnosed,
        "run_ended": run.ended,
        "cycle": run.closed,
        "needs_human": run.calls,
    }
    match event["event"]:
        case "mend_intended":
            run.mends.append(Mended(event))
        case "mend_done":
            run.mends[-1].done = event
        case "undo_done":
            for mended in run.mends:
                mended.undone |= mended.done is not None and mended.done["record"] == event["record"] and event["ok"]
        case kind if kind in lists:
            lists[kind].append(event)


def read_story(folder: Path, cases: list[Case]) -> Story:
    """Read the night in a folder."""
    return Story(Scene(folder), cases)
