"""What the journal tells of all nights, folded in one pass: slots, agents, repairs, and the words of some runs.

Lines are read one after another and let go of; what is kept grows by a few numbers a run. An event that does not fit,
for a person or a disk has changed it, is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_loop.memory import agent_use, mentor_worth, slot_use
from llm_loop.memory.agent_use import AgentUse
from llm_loop.memory.journal import Event
from llm_loop.memory.journal_parts import event_of, lines_forwards
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.slot_use import SlotUse
from llm_loop.report.work_time import Session, WorkTime
from llm_loop.system.clock import parse_utc
from llm_loop.views.untrusted import dict_of, text_of, whole_of

_NO_FIT = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)
_WHY_CHARACTERS = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Hold a stretch of wall-clock time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Hold how long an attempt had a slot (from 1)."""

    slot: int
    run_id: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWords:
    """Hold what the journal says of one run beyond its history row: why it was proposed, and its last attempt."""

    why: str | None = None
    attempt: int | None = None
    log_tag: str | None = None


@dataclass(slots=True)
class Night:
    """Hold what was folded. ``mends`` counts repairs done and in vain by rule, ``mended`` names the runs they helped.

    ``open_runs`` are those that held a slot when the journal ended; ``refused`` and ``unusable`` count proposals;
    ``outages`` counts by agent and cause.
    """

    slot_use: SlotUse = field(default_factory=SlotUse)
    agent_use: AgentUse = field(default_factory=AgentUse)
    mentor_worth: MentorWorth = field(default_factory=MentorWorth)
    work_time: WorkTime = field(default_factory=WorkTime)
    stays: list[Stay] = field(default_factory=list)
    installs: list[Span] = field(default_factory=list)
    pauses: list[Span] = field(default_factory=list)
    words: dict[str, RunWords] = field(default_factory=dict)
    mends: dict[str, Counter[bool]] = field(default_factory=dict)
    mended: set[str] = field(default_factory=set)
    open_runs: tuple[str, ...] = ()
    refused: int = 0
    unusable: int = 0
    outages: Counter[str] = field(default_factory=Counter)
    events: int = 0


def read_night(journal: Path, wanted: Collection[str]) -> Night:
    """Fold the journal; words are kept of the ``wanted`` runs alone. Raises OSError."""
    reader = _Reader(frozenset(wanted))
    for line in lines_forwards(journal):
        event = event_of(journal, line)
        if event is not None:
            reader.follow(event)
    return reader.night()


class _Reader:
    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._night = Night()
        self._sessions: list[Session] = []
        self._is_alive = False
        self._now: datetime | None = None
        self._slots: dict[str, tuple[int, datetime]] = {}
        self._rules: dict[str, str] = {}
        self._install_since: datetime | None = None
        self._pause_since: datetime | None = None

    def follow(self, event: Event) -> None:
        """Take one event in."""
        try:
            self._now = parse_utc(event["ts_utc"])
            self._night.events += 1
            self._follow_sessions(event["event"], self._now)
            self._follow_kind(event, self._now)
            self._fold(event)
        except _NO_FIT:
            return

    def night(self) -> Night:
        """Return all that was folded; what is still open ends with the last event."""
        night, now = self._night, self._now
        if now is not None:
            for run_id, (slot, since) in self._slots.items():
                night.stays.append(Stay(slot=slot, run_id=run_id, span=Span(start=since, end=now)))
            self._end_install(now)
            self._end_pause(now)
        night.open_runs = tuple(self._slots)
        night.work_time = WorkTime(tuple(self._sessions))
        return night

    def _fold(self, event: Event) -> None:
        night = self._night
        night.slot_use = slot_use.apply(night.slot_use, event)
        night.agent_use = agent_use.apply(night.agent_use, event)
        night.mentor_worth = mentor_worth.apply(night.mentor_worth, event)

    def _follow_sessions(self, kind: str, now: datetime) -> None:
        """Let a session go from a daemon's start to its last event; what a verb writes between is in none."""
        if kind == "daemon_started" or not self._sessions:
            self._sessions.append(Session(start=now, end=now))
            self._is_alive = True
        elif self._is_alive:
            self._sessions[-1] = self._sessions[-1].until(now)
        if kind == "daemon_ended":
            self._is_alive = False

    def _follow_kind(self, event: Event, now: datetime) -> None:
        match event["event"]:
            case "run_staged":
                run = dict_of(event.get("run"))
                self._note(_run_id(run), why=text_of(run["decision"].get("rationale"), _WHY_CHARACTERS))
            case "attempt_intended":
                self._begin_stay(event, now)
            case "attempt_ended" | "run_ended":
                self._end_stay(_run_id(event), now)
            case "mend_intended":
                self._rules[_run_id(event)] = text_of(dict_of(event["mend"]).get("rule"), 80) or "unknown"
            case "mend_done":
                self._mended(_run_id(event), bool(event["ok"]))
            case "proposal":
                record = dict_of(event["record"])
                self._night.refused += bool(dict_of(record.get("quality_gate")).get("blocked"))
                self._night.unusable += bool(record.get("unusable"))
            case "agent_out":
                agent, cause = (text_of(event.get(name), 40) or "unknown" for name in ("agent", "cause"))
                self._night.outages[f"{agent}: {cause.replace('_', ' ')}"] += 1
            case "environment_held":
                self._install_since = now
            case "environment_freed":
                self._end_install(now)
            case "paused":
                self._pause_since = now
            case "resumed":
                self._end_pause(now)
            case "daemon_started":
                self._end_install(self._install_since or now)
                self._end_pause(self._pause_since or now)

    def _note(self, run_id: str, **said: Any) -> None:
        if run_id in self._wanted:
            before = self._night.words.get(run_id, RunWords())
            known = {name: getattr(before, name) for name in RunWords.__slots__}
            self._night.words[run_id] = RunWords(**known | said)

    def _begin_stay(self, event: Event, now: datetime) -> None:
        run_id, attempt = _run_id(event), event["attempt"]
        slot = whole_of(attempt.get("slot")) or self._night.slot_use.lowest_free()
        self._slots[run_id] = slot, now
        self._note(run_id, attempt=whole_of(attempt.get("number")), log_tag=text_of(attempt.get("log_tag"), 200))

    def _end_stay(self, run_id: str, now: datetime) -> None:
        if run_id in self._slots:
            slot, since = self._slots.pop(run_id)
            self._night.stays.append(Stay(slot=slot, run_id=run_id, span=Span(start=since, end=max(since, now))))

    def _mended(self, run_id: str, ok: bool) -> None:
        self._night.mends.setdefault(self._rules.get(run_id, "unknown"), Counter())[ok] += 1
        if ok:
            self._night.mended.add(run_id)

    def _end_install(self, now: datetime) -> None:
        if self._install_since is not None:
            self._night.installs.append(Span(start=self._install_since, end=max(self._install_since, now)))
            self._install_since = None

    def _end_pause(self, now: datetime) -> None:
        if self._pause_since is not None:
            self._night.pauses.append(Span(start=self._pause_since, end=max(self._pause_since, now)))
            self._pause_since = None


def _run_id(event: Event) -> str:
    """Return the run that an event is about. Raises ValueError where it names none."""
    run_id = text_of(event.get("run_id"), 40)
    if run_id is None:
        raise ValueError("no run is named")
    return run_id
