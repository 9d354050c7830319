"""Write a workspace's files as a loop does, through its own ledger, memory and closing of cycles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.agents.agent import Calls
from llm_loop.config import load_config
from llm_loop.contract.decision import Action, Decision, IdeaCategory
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.procedure import Failure
from llm_loop.contract.result import Direction, Result
from llm_loop.contract.run import FAILED, Run, RunCode
from llm_loop.cycle.closing import close
from llm_loop.cycle.context import Context
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.history import HistoryRow
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.stages.prepare import prepare
from llm_loop.system import files
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Keepers

PASSED: dict[str, Any] = {"source": "primary", "blocked": False, "issues": [], "details": []}
METRIC = "val_log_loss"


class WorkspaceBuilder:
    """Build one workspace step by step."""

    def __init__(self, root: Path) -> None:
        self.paths = WorkspacePaths(root)
        (root / "config").mkdir(parents=True, exist_ok=True)
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        config_path = root / "config" / "daemon_config.json"
        config_path.write_text('{"selection_metric": "val_log_loss", "selection_direction": "min"}', encoding="utf-8")
        config = load_config(config_path, root, {})
        clock, keepers = SystemClock(), Keepers()
        memory = Memory(self.paths, clock, config)
        self.context = Context(
            paths=self.paths,
            config=config,
            clock=clock,
            ledger=Ledger(self.paths, clock, memory.remember, memory.learn),
            memory=memory,
            engine=LocalEngine(keepers),
            calls=Calls(keepers, root),
            jobs=Jobs(keepers, self.paths.jobs),
            environment={},
        )

    @property
    def ledger(self) -> Ledger:
        return self.context.ledger

    def save(self) -> None:
        self.ledger.save()

    def open_cycle(self) -> dict[str, Any]:
        number = self.ledger.state.cycle + 1
        of = {"cycle": number, "cycle_trace_id": f"C{number:04d}-0a1b2c3d"}
        self.ledger.record("cycle_opened", **of, agent="builtin")
        return of

    def propose(self, of: Mapping[str, Any], decision: Decision, gate: Mapping[str, Any] = PASSED) -> dict[str, Any]:
        record = {
            "proposer": "builtin",
            "source": "primary",
            "decision": decision.to_json(),
            "code": None,
            "unusable": None,
            "told": None,
            "quality_gate": dict(gate),
            "accepted": not gate["blocked"],
        }
        self.ledger.record("proposal", **of, record=record, call=None)
        return record

    def wait(self, of: Mapping[str, Any], reason: str) -> None:
        plan = self.ledger.state.plan
        assert plan is not None
        close(self.context, plan=plan, result="wait", reason=reason)

    def stage(
        self,
        label: str,
        mentor: Mapping[str, Any] | None = None,
        of: Mapping[str, Any] | None = None,
        code: RunCode | None = None,
        **decided: Any,
    ) -> Run:
        """Open a cycle (or go on with ``of``), decide, have the mentor's word and stage the run."""
        of = self.open_cycle() if of is None else of
        decision = a_decision(label, **decided)
        accepted = self.propose(of, decision)
        if mentor is not None:
            self.ledger.record("review", **of, record=dict(mentor), suggestion=None, call=None)
        plan = self.ledger.state.plan
        assert plan is not None
        run = prepare(
            decision,
            run_number=self.ledger.state.runs_made + 1,
            proposer="builtin",
            label_is_taken=lambda _: False,
            config=self.context.config,
            cycle_record={
                "proposals": list(plan.proposals),
                "review": plan.review,
                "decision_source": "primary",
                "quality_gate": accepted["quality_gate"],
                "use": self.ledger.state.agent_use.cycle.to_json(),
            },
            code=code or RunCode(),
            **of,
        )
        self.ledger.record("run_staged", **of, run=run.to_json() | {"label": label}, bootstrap=False)
        return self.ledger.state.runs[run.run_id]

    def launch(self, run: Run, pid: int = 4711) -> None:
        number, log_tag = len(run.attempts) + 1, f"20260102T030405Z_{run.run_id.lower()}"
        attempt = {"number": number, "tag": "t", "log_tag": log_tag, "engine": "local"}
        self.ledger.record("attempt_intended", run_id=run.run_id, label=run.label, attempt=attempt)
        self.paths.attempt(run.run_id, number).mkdir(parents=True, exist_ok=True)
        started = utc_text(self.context.clock.utc_now())
        self.ledger.record("attempt_started", run_id=run.run_id, pid=pid, started_utc=started)

    def end(
        self,
        run: Run,
        value: float | None,
        state: str = "completed",
        cause: str | None = None,
        detail: str | None = None,
    ) -> None:
        """End the run and close its cycle, as the run slots do."""
        now = utc_text(self.context.clock.utc_now())
        run = self.ledger.state.runs[run.run_id]
        result = None
        if value is not None:
            result = Result(metric=METRIC, direction=Direction.MIN, value=value, best_val_score=-value, seed=0)
        row = HistoryRow(
            seq=0,
            run_id=run.run_id,
            label=run.label,
            label_decided=run.label_decided,
            cycle=run.cycle,
            cycle_trace_id=run.cycle_trace_id,
            state=state,
            cause=cause,
            proposer=run.proposer,
            idea_category=IdeaCategory.OTHER,
            started_utc=now,
            ended_utc=now,
            run_seconds=1.0,
            attempts=len(run.attempts),
            command="c",
            result=result,
            code_version=run.code.version,
            repository_version=run.code.repository_version,
            failure=run.procedure.failure() or Failure() if state in FAILED else None,
        )
        self.ledger.record(
            "run_ended",
            run_id=run.run_id,
            cycle=run.cycle,
            cycle_trace_id=run.cycle_trace_id,
            state=state,
            cause=cause,
            detail=detail,
            result=None if result is None else result.to_json(),
            metrics=None,
            bootstrap=False,
            outcome=state,
            row=row.to_json(),
        )
        result_of = "run_command" if run.attempts else "dropped"
        close(self.context, run=self.ledger.state.runs[run.run_id], result=result_of, reason=cause)

    def beat(self, status: str = "running", pid: int | None = None, **fields: Any) -> None:
        """Write a heartbeat with the daemon's keys."""
        now = utc_text(self.context.clock.utc_now())
        value = {
            "schema_version": 1,
            "daemon_status": status,
            "pid": os.getpid() if pid is None else pid,
            "version": "0.1.0",
            "started_utc": now,
            "updated_utc": now,
            "phase": "training",
            "cycle": self.ledger.state.cycle,
            "cycles_closed": self.ledger.state.cycles_closed,
            "reason": None,
            "holds": {},
            "runs": {},
            "slots": 1,
            "idle_fraction": None,
            "best": self.context.memory.best(),
            "codex_login": False,
            "worker": "built-in planner",
            "error": None,
            "config_path": str(self.paths.root / "config" / "daemon_config.json"),
        }
        before = files.signature(self.paths.heartbeat)
        files.replace_json(self.paths.heartbeat, value | fields, durable=False)
        if before is not None:  # a daemon's beats are a second apart, never within one tick of the file system's clock
            later_ns = max(before[0] + 1_000_000, self.paths.heartbeat.stat().st_mtime_ns)
            os.utime(self.paths.heartbeat, ns=(later_ns, later_ns))


def a_decision(label: str, action: Action = Action.RUN_COMMAND, **fields: Any) -> Decision:
    given: dict[str, Any] = {
        "rationale": "A rationale of some length.",
        "command": "python train.py",
        "idea_category": IdeaCategory.OPTIMIZATION,
    }
    return Decision(action=action, run_label=label, **(given | fields))


def a_review(
    recommendation: str = "challenge", critique: str = "off_track: the same again", **fields: Any
) -> dict[str, Any]:
    """Return a review's record as the journal holds it."""
    record: dict[str, Any] = {
        "run": True,
        "agent": "builtin",
        "reasons": ["cadence_every_4"],
        "recommendation": recommendation,
        "applied": False,
        "critique": critique,
        "questions": [],
        "suggested_decision": None,
        "mentor_notes": "",
        "todo_updates": [],
        "error": None,
    }
    return record | fields
