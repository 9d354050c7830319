"""The status of a workspace, computed once, as values: what every view shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.memory.slot_use import SlotFigures
from llm_loop.views.agents_status import AgentsStatus
from llm_loop.views.alarms import Alarm
from llm_loop.views.calls_for_people import HumanReason
from llm_loop.views.condition import DaemonStatus
from llm_loop.views.decisions import DecisionStatus, MentorWord
from llm_loop.views.devices_status import DeviceStatus
from llm_loop.views.procedure_status import MendStatus, StepStatus
from llm_loop.views.untrusted import plain

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Hold a run in a slot.

    Epochs count from 1. ``value`` and ``best`` are the selection metric at the last epoch and at the
    best one, ``curve`` its course (thinned out). ``age_s``, ``silent_s`` (since its last output) and
    ``eta_s`` are seconds, known while the daemon lives. ``ended_unrecorded``: it has ended, and no
    daemon has recorded it yet. ``steps`` are those that it passed, ``mends`` what was mended on the way, oldest first.
    """

    run_id: str
    label: str
    state: str
    cycle: int
    idea_category: str | None
    attempt: int
    device: str | None
    pid: int | None
    started_utc: str | None
    run_dir: str
    stdout_log: str
    stderr_log: str
    stop_reason: str | None
    ended_unrecorded: bool
    epoch: int | None
    epochs: int | None
    loss: float | None
    value: float | None
    best: float | None
    curve: tuple[float, ...]
    age_s: float | None
    silent_s: float | None
    eta_s: float | None
    steps: tuple[StepStatus, ...]
    mends: tuple[MendStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """Hold a run that waits for a slot: staged, queued, under repair, or interrupted until the next start.

    ``approval`` is waiting or approved, None for a run that needs no person's word. ``waits_for`` says what keeps it
    from a slot that is free: that word, memory, a device, a validation, a repair; None where nothing does. ``steps``
    and ``mends`` are as in ``RunStatus``.
    """

    run_id: str
    label: str
    state: str
    cycle: int
    idea_category: str | None
    proposer: str | None
    builds_on: tuple[str, ...]
    mentor: MentorWord | None
    approval: str | None
    waits_for: str | None
    steps: tuple[StepStatus, ...]
    mends: tuple[MendStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BestRun:
    """Hold the best value of the selection metric so far, and its run."""

    run_id: str
    label: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUp:
    """Hold the finish-up: what the control file wishes, and how far the loop has come with it.

    ``present``: the file lies there; ``trouble`` is why it is no wish, None where it is one. ``phase`` is the loop's
    own (scheduled, final_training, reporting, done), None while it has taken up no wish; then ``rounds_begun`` of
    ``rounds`` final trainings were staged. Moments are UTC, None where the file does not read.
    """

    present: bool
    status: str | None
    trouble: str | None = None
    phase: str | None = None
    activate_at_utc: str | None = None
    deadline_utc: str | None = None
    rounds: int | None = None
    rounds_begun: int = 0
    report_top_k: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Hold the status of one workspace at ``taken_utc``.

    - ``daemon``: condition (running, not responding, stopped, dead, never started) and the heartbeat's words
    - ``decides``: who decides, in words; ``codex_login``: whether Codex has a login, or needs none;
      ``codex_wanted``: whether the configuration lets Codex decide
    - ``agents``: who decides and why, calls, tokens, money, limits, sandbox, and what the mentor's word came to
    - ``runs``, ``waiting``: runs in a slot, and those that wait for one
    - ``devices``: the devices of the slots and the runs on them; () where runs are given none, or no loop runs
    - ``decisions``: the last 8 cycles, oldest first, open ones among them
    - ``metric``, ``direction``: the selection metric, and whether "min" or "max" is better; None while unknown
    - ``best``, ``leaderboard``: the best run, and the first 5 places; ``best_so_far``: the best value after each of the
      last 100 ended runs that rank, oldest first
    - ``open_todos``: how many entries of the shared TODO are open, ``todo`` the first 3 of them
    - ``run_counts``: runs by state, ended and open
    - ``idle_fraction``: the share of slot time in which nothing ran, 0..1, None before the first ending;
      ``slot_use``: the same slot by slot, from its first launch to its last end; ``install_s``: the seconds in which
      packages were installed, which are not idle
    - ``finish_up``: the finish-up file; ``paused``: whether the PAUSE flag lies there
    - ``needs_human``: whether a person is needed, ``human_intervention_reasons`` what for, oldest first
    - ``alarms``: the last 5 of the journal's last megabyte, oldest first
    - ``notes``: what could not be read, one line each
    """

    workspace: str
    taken_utc: str
    daemon: DaemonStatus
    decides: str
    codex_login: bool
    codex_wanted: bool
    agents: AgentsStatus
    runs: tuple[RunStatus, ...]
    waiting: tuple[WaitingRun, ...]
    devices: tuple[DeviceStatus, ...]
    decisions: tuple[DecisionStatus, ...]
    metric: str | None
    direction: str | None
    best: BestRun | None
    leaderboard: Leaderboard | None
    best_so_far: tuple[float, ...]
    open_todos: int
    todo: tuple[str, ...]
    run_counts: dict[str, int]
    idle_fraction: float | None
    slot_use: tuple[SlotFigures, ...]
    install_s: float
    finish_up: FinishUp
    paused: bool
    needs_human: bool
    human_intervention_reasons: tuple[HumanReason, ...]
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``status --json``: the fields above by their names, fit for strict JSON.

        Numbers that are not finite become null, characters that are not printable blanks.
        """
        value: dict[str, Any] = plain(asdict(self))
        return {"schema_version": value.pop("schema_version"), **value}
