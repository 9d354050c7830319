"""Runs under repair in a workspace with a training environment of its own; a daemon can die at any moment."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from llm_loop.agents.agent import Calls
from llm_loop.config import load_config
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.code_watch import CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.ledger import Ledger
from llm_loop.cycle.procedure.desk import RepairDesk
from llm_loop.cycle.procedure.validating import Validating
from llm_loop.cycle.run_endings import RunEndings
from llm_loop.cycle.staging import stage
from llm_loop.memory.journal import Event
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.diagnose import diagnosis_of
from llm_loop.stages.learn import Memory
from llm_loop.stages.record import Outcome
from llm_loop.system.clock import Clock, SystemClock
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Keepers
from tests.conftest import eventually, make_workspace
from tests.memory.campaign_events import attempt, ended, run_json

MODULE, MODEL = "needed", "no_such_net"


class Bench:
    """Hold one workspace; ``open`` is a daemon's start on it, ``die`` its end without a word."""

    def __init__(self, root: Path, clock: Clock | None = None, **settings: Any) -> None:
        self.root = make_workspace(root, **settings)
        (self.root / "repo" / "train.py").write_text("print('old')\n", encoding="utf-8")
        self.paths = WorkspacePaths(self.root)
        self.clock = clock or SystemClock()
        self._keepers: list[Keepers] = []
        self.looked_at = False
        self.open()

    def open(self) -> None:
        """Start anew on what is on disk."""
        paths, clock, keepers = self.paths, self.clock, Keepers()
        self._keepers.append(keepers)
        config = load_config(self.root / "config" / "daemon_config.json", self.root, {})
        memory = Memory(paths, clock, config)
        self.context = Context(
            paths=paths,
            config=config,
            clock=clock,
            ledger=Ledger(paths, clock, memory.remember, memory.learn),
            memory=memory,
            engine=LocalEngine(keepers),
            calls=Calls(keepers, self.root),
            jobs=Jobs(keepers, paths.jobs),
        )
        self.context.jobs.forget_old()
        self.endings = RunEndings(self.context, CodeWatch(self.context))
        self.desk = RepairDesk(self.context, self.endings, lambda: self.looked_at)
        self.validating = Validating(self.context, self.endings)

    def close(self) -> None:
        self.context.jobs.end_all()
        eventually(self.has_no_child)

    def has_no_child(self) -> bool:
        """Tell whether every keeper that was ever started has ended."""
        return all(one.poll() is not None for keepers in self._keepers for one in keepers._own.values())

    # ------------------------------------------------------------ what happens

    def record(self, kind: str, **fields: Any) -> None:
        self.context.ledger.record(kind, **fields)

    def stage(self, run_id: str = "R0001", **changes: Any) -> Run:
        """Stage a run; ``changes`` of a decision's fields, or of the run's own."""
        value = run_json(run_id, int(run_id[1:]), f"C{run_id[1:]}-aaaaaaaa")
        own = {name: changes.pop(name) for name in list(changes) if name in value or name == "approval"}
        value |= own | {"decision": value["decision"] | changes}
        stage(self.context, Run.from_json(value))
        return self.run(run_id)

    def attempt_fails(self, run_id: str = "R0001") -> None:
        """Let a run's next attempt begin and end badly."""
        number = len(self.run(run_id).attempts) + 1
        self.record("attempt_intended", run_id=run_id, attempt=attempt(number))
        self.record(**{**_kind(ended(run_id, "exited", 1, 1.0, 2.0)), "attempt": number})

    def is_diagnosed(
        self, cause: Cause = Cause.MISSING_MODULE, run_id: str = "R0001", *, phase: str | None = None, **details: Any
    ) -> None:
        """Journal why a run failed, as its ending or its validation does."""
        phase = phase or ("execution" if self.run(run_id).attempts else "validation")
        if cause is Cause.MISSING_MODULE:
            details = {"module": MODULE} | details
        found = diagnosis_of(cause, f"it broke: {cause.value}", details)
        told = {"cause": cause.value, "detail": "it broke", "diagnosis": found.to_json(), "seconds": 0.01}
        self.record("diagnosed", run_id=run_id, phase=phase, **told)

    def tick(self, **how: Any) -> None:
        self.desk.tick(self.clock.monotonic(), **how)

    # ------------------------------------------------------------ what is seen

    def run(self, run_id: str = "R0001") -> Run:
        return self.context.ledger.state.runs[run_id]

    def events(self, *kinds: str) -> list[Event]:
        lines = self.paths.events.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if not kinds or event["event"] in kinds]

    def story(self) -> list[str]:
        """Return the kinds of events of the repair so far, in their order."""
        left_out = ("run_staged", "attempt_intended", "attempt_ended", "attempt_started", "code_version")
        return [event["event"] for event in self.events() if event["event"] not in left_out]

    def until(self, *kinds: str, count: int = 1, seconds: float = 60.0) -> Event:
        """Tick until the journal holds ``count`` events of a kind; return the last one."""
        give_up = time.monotonic() + seconds
        while len(found := self.events(*kinds)) < count:
            assert time.monotonic() < give_up, f"no {kinds} in {self.story()}"
            self.tick()
            time.sleep(0.02)
        return found[count - 1]

    def records(self) -> dict[str, str]:
        """Return the states of the records of installs, by the name of the install."""
        found = self.paths.repairs.glob("*/record.json")
        return {path.parent.name: json.loads(path.read_text(encoding="utf-8"))["state"] for path in found}

    def started_jobs(self) -> list[str]:
        return sorted(folder.parent.name.rpartition("-")[0] for folder in self.paths.jobs.glob("*/request.json"))

    def set_config(self, **changes: Any) -> None:
        path = self.root / "config" / "daemon_config.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
        self.context.config = load_config(path, self.root, {})

    def let_run(self, run_id: str) -> None:
        """Let another run train, for the loop's eyes."""
        self.stage(run_id)
        self.record("attempt_intended", run_id=run_id, attempt=attempt(1))

    def end_run(self, run_id: str, state: str = "completed") -> None:
        self.record(**_kind(ended(run_id, "exited", 0, 1.0, 2.0)))
        self.endings.end(self.run(run_id), Outcome(state=RunState(state)))


def _kind(event: dict[str, Any]) -> dict[str, Any]:
    return {("kind" if name == "event" else name): value for name, value in event.items() if name != "seq"}
