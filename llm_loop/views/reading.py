"""Take snapshots of a workspace from its files alone: nothing is locked, nothing is written.

The daemon may write at the same time, files may vanish, be torn or corrupt: what cannot be read is
named in the snapshot's notes, and the rest is shown. A reader that is kept reads again only what has
changed: the journal from where it was, the history whole when its size or time changed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_home import is_ready
from llm_loop.config import Config, load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.agent_use import AgentUse
from llm_loop.memory.finish_up import FinishUpState
from llm_loop.memory.interventions import Interventions
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.slot_use import SlotUse
from llm_loop.memory.state import LoopState
from llm_loop.system.clock import Clock, utc_text
from llm_loop.system.instance_lock import is_held
from llm_loop.system.processes import identity_of
from llm_loop.views.agents_status import AgentsStatus, agents_status, sandbox_status
from llm_loop.views.alarms import Alarm, alarm_of
from llm_loop.views.calls_for_people import CallsForPeople, HumanReason
from llm_loop.views.condition import DaemonStatus, Signs, judge
from llm_loop.views.course import Course
from llm_loop.views.decisions import DecisionStatus, Endings, of_cycle_event, of_open_run
from llm_loop.views.devices_status import devices_of
from llm_loop.views.finish_up_status import FinishUpFile
from llm_loop.views.journal_tail import JournalTail
from llm_loop.views.open_runs import read_state, runs_in_slots, runs_that_wait
from llm_loop.views.past_outages import PastOutages
from llm_loop.views.ranking import Ranking, read_object
from llm_loop.views.snapshot import Snapshot
from llm_loop.views.typed_values import fits
from llm_loop.views.untrusted import clean, dict_of, number_of, text_of, whole_of
from llm_loop.views.watched_file import WatchedFile

DEFAULT_CONFIG = Path("config/daemon_config.json")
_DECISIONS = 8
_ALARMS = 5


class SnapshotReader:
    """Take snapshots of one workspace; ``environ`` may override configuration keys (LLM_LOOP_...)."""

    def __init__(self, paths: WorkspacePaths, clock: Clock, environ: Mapping[str, str]) -> None:
        self._paths, self._clock, self._environ = paths, clock, environ
        self._heartbeat = WatchedFile(paths.heartbeat, read_object)
        self._state = WatchedFile(paths.state, _read_state)
        self._finish_up = FinishUpFile(paths.finish_up)
        self._config: WatchedFile[Config] = WatchedFile(paths.root / DEFAULT_CONFIG, self._load_config)
        self._ranking = Ranking(paths)
        self._course = Course(paths)
        self._journal = JournalTail(paths.events)
        self._cycles: deque[DecisionStatus] = deque(maxlen=_DECISIONS)
        self._alarms: deque[Alarm] = deque(maxlen=_ALARMS)
        self._endings = Endings()
        self._calls = CallsForPeople()
        self._past_outages = PastOutages()
        self._last_word: dict[str, Any] | None = None

    def config(self) -> Config | None:
        """Return the workspace's configuration, None when it is missing or refused. Raises nothing."""
        return self._config.look()

    def take(self) -> Snapshot:
        """Return the status now. Raises OSError where the workspace's folder may not be looked into."""
        now = self._clock.utc_now()
        lock_held = self._lock_held()  # before the heartbeat: who lets go of the lock has said so there
        beat = dict_of(self._heartbeat.look())
        self._follow_journal()
        daemon = self._judge(lock_held, beat or None, now)
        self._follow_config(daemon)
        loop = self._state.look() or LoopState()
        reasons = self._calls.open(loop, beat, daemon)
        ranking = self._ranking
        ranking.look(self.config())
        open_todos, todo = self._course.todo()
        return Snapshot(
            workspace=str(self._paths.root),
            taken_utc=utc_text(now),
            daemon=daemon,
            decides=self._who_decides(beat, daemon),
            codex_login=is_ready(self._paths.codex_home, self._environ),
            codex_wanted=self._codex_wanted(),
            agents=self._agents(loop, beat, daemon, now),
            runs=runs_in_slots(loop, beat, daemon, self._paths),
            waiting=runs_that_wait(loop, beat, daemon),
            devices=devices_of(beat, daemon),
            decisions=self._decisions(loop),
            metric=ranking.metric,
            direction=None if ranking.direction is None else ranking.direction.value,
            best=ranking.best(beat),
            leaderboard=ranking.board,
            best_so_far=self._course.best_so_far(ranking.metric, ranking.direction),
            open_todos=open_todos,
            todo=todo,
            run_counts=_counts(ranking.states, loop),
            idle_fraction=loop.slot_use.idle_fraction(),
            slot_use=tuple(loop.slot_use.figures()),
            install_s=round(loop.slot_use.install_s, 3),
            finish_up=self._finish_up.look(loop.finish_up, self.config(), now),
            paused=self._paths.pause.exists(),
            needs_human=bool(reasons),
            human_intervention_reasons=reasons,
            alarms=self._open_alarms(reasons),
            notes=self._notes(lock_held),
        )

    def _lock_held(self) -> bool | None:
        try:
            return is_held(self._paths.instance_lock)
        except OSError:
            return None

    def _judge(self, lock_held: bool | None, beat: dict[str, Any] | None, now: datetime) -> DaemonStatus:
        try:
            taken_ns = self._paths.instance_lock.stat().st_mtime_ns
        except OSError:
            taken_ns = None
        signs = Signs(
            lock_held=lock_held,
            lock_taken_ns=taken_ns,
            beat=beat,
            beat_changed_ns=self._heartbeat.changed_ns,
            last_word=self._last_word,
            beat_age_s=None if beat is None else self._age_awake(beat),
        )
        return judge(signs, now)

    def _age_awake(self, beat: dict[str, Any]) -> float | None:
        """Return a heartbeat's age in seconds awake; None where who wrote it does not live on this machine."""
        pid, identity = whole_of(beat.get("pid")), text_of(beat.get("identity"), 200)
        at_s = number_of(beat.get("updated_awake_s"))
        if pid is None or identity is None or at_s is None or identity_of(pid) != identity:
            return None
        return max(0.0, self._clock.monotonic() - at_s)

    def _follow_config(self, daemon: DaemonStatus) -> None:
        """Look at the configuration that the daemon was started with."""
        path = self._paths.root / (daemon.config_path or DEFAULT_CONFIG)
        if path != self._config.path:
            self._config = WatchedFile(path, self._load_config)

    def _load_config(self, path: Path) -> Config:
        return load_config(path, self._paths.root, self._environ)

    def _who_decides(self, beat: dict[str, Any], daemon: DaemonStatus) -> str:
        said = text_of(beat.get("worker"), 120) if daemon.lives else None
        config = self.config()
        if said is None and config is not None and config.worker_command is not None:
            return clean(f"command: {config.worker_command}", 120)
        if said is None and self._wanted(config) == "codex":
            model = None if config is None else text_of(config.model, 60)
            return f"Codex ({model or 'its own default model'})"
        return said or "built-in planner"

    def _agents(self, loop: LoopState, beat: dict[str, Any], daemon: DaemonStatus, now: datetime) -> AgentsStatus:
        said = dict_of(beat.get("agents")) if daemon.lives else {}
        config = self.config()
        sandbox = dict_of(beat.get("sandbox"))
        return agents_status(
            loop.agent_use,
            loop.mentor_worth,
            worker=text_of(said.get("worker"), 40) or self._wanted(config),
            mentor=text_of(said.get("mentor"), 40),
            config=config,
            sandbox=sandbox_status(sandbox, config) if sandbox else None,
            past_outages=self._past_outages.over(),
            now=now,
        )

    def _wanted(self, config: Config | None) -> str:
        if config is not None and config.worker_command is not None:
            return "command"
        ready = self._codex_wanted() and is_ready(self._paths.codex_home, self._environ)
        return "codex" if ready else "builtin"

    def _codex_wanted(self) -> bool:
        config = self.config()
        return config is None or config.codex_enabled

    def _follow_journal(self) -> None:
        events = self._journal.new_events()
        if self._journal.restarted:
            self._cycles.clear()
            self._alarms.clear()
            self._endings.clear()
            self._calls.clear()
            self._past_outages.clear()
        for event in events:
            self._calls.follow(event)
            self._past_outages.follow(event)
            self._endings.follow(event)
            if event["event"] == "cycle":
                self._cycles.append(of_cycle_event(event, self._endings.take(event)))
            elif event["event"] in ("daemon_started", "daemon_ended"):
                self._last_word = event
            elif (alarm := alarm_of(event)) is not None:
                self._alarms.append(alarm)

    def _open_alarms(self, reasons: tuple[HumanReason, ...]) -> tuple[Alarm, ...]:
        """Return the alarms, without the calls for a person whose reason has gone."""
        ids = {one.id for one in reasons}
        return tuple(alarm for alarm in self._alarms if alarm.about is None or alarm.about in ids)

    def _decisions(self, loop: LoopState) -> tuple[DecisionStatus, ...]:
        """Return the closed cycles and those of open runs, in the order of their opening."""
        closed = {cycle.cycle_trace_id for cycle in self._cycles}
        still_open = [of_open_run(run) for run in loop.runs.values() if run.cycle_trace_id not in closed]
        in_order = sorted([*self._cycles, *still_open], key=lambda one: one.cycle or 0)
        return tuple(in_order[-_DECISIONS:])

    def _notes(self, lock_held: bool | None) -> tuple[str, ...]:
        watched = (self._heartbeat, self._state, self._config)
        problems = [file.problem for file in watched if file.problem is not None]
        if lock_held is None:
            problems.append(f"{self._paths.instance_lock} cannot be looked at: the heartbeat alone tells the condition")
        return tuple(clean(problem, 400) for problem in (*problems, *self._ranking.notes))


def _read_state(path: Path) -> LoopState | None:
    """Return the state of ``state.json``, checked as far as it is shown.

    Raises CorruptFileError, TypeError or ValueError when it is no such state.
    """
    loop = read_state(path)
    if loop is not None:
        shown = (
            (loop.slot_use, SlotUse),
            (loop.agent_use, AgentUse),
            (loop.mentor_worth, MentorWorth),
            (loop.interventions, Interventions),
            (loop.finish_up, FinishUpState),
        )
        for value, kind in shown:
            if not fits(value, kind):
                raise ValueError(f"{kind.__name__} is not as the loop writes it")
    return loop


def _counts(ended: Mapping[str, int], loop: LoopState) -> dict[str, int]:
    """Count each run once: an open run that has ended already is in the history too."""
    counts = Counter(ended)
    counts.update(run.state.value for run in loop.runs.values() if not run.state.is_final)
    return dict(counts)
