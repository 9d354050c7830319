"""Journal what the desks journal between the attempts of a run, in their form."""

from __future__ import annotations

from typing import Any

from llm_loop.contract.diagnosis import Cause, Diagnosis, Severity
from llm_loop.contract.mend import Mend, MendKind, Phase
from llm_loop.contract.run import Run
from tests.views.workspace_builder import WorkspaceBuilder

LINE = "ModuleNotFoundError: No module named 'einops'"
RECORD = ".llm_loop/repairs/R0001-1/record.json"


class Procedures:
    """Write the events of procedures into one workspace."""

    def __init__(self, workspace: WorkspaceBuilder) -> None:
        self._record = workspace.ledger.record

    def validated(self, run: Run, state: str = "done", why: str | None = None, cause: str | None = None) -> None:
        steps = [
            {"step": "prepare", "state": "done", "seconds": 0.25, "cause": None},
            {"step": "validate", "state": state, "seconds": 3.0, "cause": cause},
        ]
        checks = [{"name": "syntax", "state": "done", "why": None}, {"name": "modules", "state": state, "why": why}]
        self._record("validated", run_id=run.run_id, ok=state != "failed", steps=steps, checks=checks)

    def diagnosed(
        self,
        run: Run,
        phase: Phase = Phase.VALIDATION,
        cause: Cause = Cause.MISSING_MODULE,
        line: str = LINE,
        **details: str,
    ) -> None:
        diagnosis = Diagnosis(
            cause=cause,
            confidence=0.95,
            severity=Severity.HIGH,
            is_failure_of_idea=False,
            evidence_line=line,
            details=details,
        )
        told = {"phase": phase.value, "cause": cause.value, "detail": line, "seconds": 0.01}
        self._record("diagnosed", run_id=run.run_id, diagnosis=diagnosis.to_json(), **told)

    def intended(self, run: Run, **fields: Any) -> None:
        given: dict[str, Any] = {
            "kind": MendKind.INSTALL_PACKAGES,
            "rule": "install:map",
            "cause": Cause.MISSING_MODULE,
            "phase": Phase.VALIDATION,
            "why": "install einops for the module einops",
        }
        self._record("mend_intended", run_id=run.run_id, mend=Mend(**(given | fields)).to_json())

    def done(self, run: Run, outcome: str = "installed einops 0.8.0", **fields: Any) -> None:
        given: dict[str, Any] = {"ok": True, "command": None, "record": None, "account": None, "retry": True}
        self._record("mend_done", run_id=run.run_id, outcome=outcome, **(given | fields))

    def undone(self, run: Run, *records: str, ok: bool = True) -> None:
        self._record("undo_intended", run_id=run.run_id, records=list(records))
        outcome = "the environment is as it was" if ok else "not taken back: no network"
        for record in records:
            self._record("undo_done", run_id=run.run_id, record=record, ok=ok, outcome=outcome)

    def crash(self, run: Run, cause: str = "exited", code: int | None = 1) -> None:
        """End the last attempt of a run."""
        times = {"ended_utc": "2026-01-02T03:04:05Z", "started_monotonic_s": None, "ended_monotonic_s": None}
        fields = {"exit_code": code, "duration_s": 2.5, "cpu_s": 1.0, "peak_memory_bytes": 1, "detail": None}
        self._record("attempt_ended", run_id=run.run_id, attempt=1, cause=cause, **fields, **times)
