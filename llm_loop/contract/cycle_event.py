"""The closing event of a cycle: everything that was proposed, judged, run and learned in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMA_VERSION = 1
PREVIEW_CHARACTERS = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleEvent:
    """Hold one closed cycle.

    ``result`` is what the cycle came to: run_command, wait, stop_current_run, no_active_run,
    daemon_stop_requested or dropped. ``decision_source`` is primary, mentor or none.
    ``proposals`` holds every decision as made with its proposer and verdict. ``run_outcome`` is None
    when nothing ran. ``delta_best`` is the run's value minus the best before it, in the metric's own unit.
    ``delta_tied`` says whether that difference lies inside the noise, None where none is known; ``use`` holds the model
    calls and tokens of the cycle. ``auto_repair`` is None when nothing was mended, ``run_outcome_initial`` and
    ``run_outcome_retry`` when nothing was tried again after a mend.
    """

    cycle: int
    cycle_trace_id: str
    decision_source: str
    proposer: str | None
    action: str
    result: str
    reason: str | None
    run_id: str | None
    run_label: str
    idea_category: str | None
    rationale: str
    command_preview: str
    quality_gate: dict[str, Any]
    proposals: list[dict[str, Any]]
    run_outcome: dict[str, Any] | None
    run_outcome_initial: dict[str, Any] | None
    run_outcome_retry: dict[str, Any] | None
    auto_repair: dict[str, Any] | None
    codex: dict[str, Any]
    best: dict[str, Any] | None
    delta_best: float | None
    use: dict[str, Any] | None = None
    delta_tied: bool | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without seq, time and kind, which the journal adds."""
        return asdict(self)
