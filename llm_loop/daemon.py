"""The daemon: one process, one thread of control, advanced by ticks.

Nothing slow happens here: model calls and trainings are children held by keepers. A tick takes a few
milliseconds, ten times a second; the heartbeat is refreshed every 2 seconds whatever happens.
"""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from llm_loop import __version__
from llm_loop.config import load_config, missing_missions
from llm_loop.contract import schemas
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import RunState
from llm_loop.contract.stop_reasons import DAEMON_STOP, FLAG, SHUTDOWN
from llm_loop.cycle import Cycle
from llm_loop.cycle.calls_for_people import call_for_approval
from llm_loop.cycle.config_watch import ConfigWatch
from llm_loop.cycle.context import FAREWELL, PAUSE
from llm_loop.cycle.machine_watch import MachineWatch
from llm_loop.cycle.opening import open_context
from llm_loop.errors import FileWriteError, LoopError
from llm_loop.heartbeat import HEARTBEAT_S, Heartbeat, TickFigures
from llm_loop.limits import Limits, convergence_reason, target_of
from llm_loop.memory.slot_use import SlotUse
from llm_loop.requests import LEAVE_RUN, consume, read_requests
from llm_loop.system import files, processes
from llm_loop.system.clock import Clock, Every
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.system.presence import is_of_the_drive
from llm_loop.system.processes import Keepers

TICK_S = 0.1
_LOOK_S = 1.0
_PATIENCE_BEYOND_GRACE_S = 5.0
_FINISH_UP_PATIENCE_S = 60.0


class Ending(StrEnum):
    """How the daemon takes its leave: runs ended politely, interrupted to be resumed, or left alone."""

    POLITE = "polite"
    INTERRUPT = "interrupt"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """Hold why the daemon ends and how."""

    ending: Ending
    reason: str


class Daemon:
    """Run the loop of one workspace until something ends it. The caller holds the instance lock."""

    def __init__(
        self,
        paths: WorkspacePaths,
        config_path: Path,
        environ: Mapping[str, str],
        clock: Clock,
        limits: Limits,
        lock: InstanceLock | None = None,
    ) -> None:
        self._paths, self._clock, self._limits = paths, clock, limits
        config = load_config(config_path, paths.root, environ)
        self._keepers = Keepers()
        self._context = open_context(paths, config, environ, clock, self._keepers)
        self._cycle = Cycle(self._context, after_an_ending=self._look_at_limits)
        self._farewell: Farewell | None = None
        self._farewell_by_s = 0.0
        self._started_s = clock.monotonic()
        self._machine = MachineWatch(self._context, lock)
        self._config_watch = ConfigWatch(self._context, config_path)
        self._heartbeat = Heartbeat(self._cycle, self._machine, config_path)
        self._heartbeat_due = Every(HEARTBEAT_S)
        self._runs_at_start = self._runs_judged = 0
        self._first_cycle = self._context.ledger.state.cycle
        self._ticks = TickFigures()
        self._errors: dict[str, str] = {}
        self._parted = self._stopped = False
        self._flags_taken: dict[Path, tuple[int, int] | None] = {}

    @property
    def slot_use(self) -> SlotUse:
        """How busy the slots were, over all starts of the daemon."""
        return self._context.ledger.state.slot_use

    # ------------------------------------------------------------ life

    def run(self) -> str:
        """Run to the end and return why it came."""
        processes.listen(self._take_gesture)
        if self._is_told_to_start():
            self._begin()
            while not self._tick():
                self._clock.sleep(TICK_S)
        return self._end()

    def farewell(self, ending: Ending, reason: str) -> None:
        """Begin to end; a second request can only make it quicker."""
        if self._farewell is None or ending is Ending.LEAVE:
            self._farewell = Farewell(ending=ending, reason=reason)
            grace = self._context.config.stop_grace_seconds
            self._farewell_by_s = self._clock.monotonic() + grace + _PATIENCE_BEYOND_GRACE_S

    def _is_told_to_start(self) -> bool:
        """Journal the start; tell whether that came before a wish to end.

        A full or read-only drive is waited for. Raises FileWriteError for what does not go by.
        """
        for flag in (self._paths.stop_daemon, self._paths.stop_current_run):
            consume(flag)
        ledger = self._context.ledger
        while ledger.is_behind and not self._guarded(self._catch_up, self._started_s):
            pass  # each failure is one event that a defect of ours keeps from being projected
        while self._farewell is None:
            try:
                ledger.record(
                    "daemon_started",
                    pid=os.getpid(),
                    version=__version__,
                    python=platform.python_version(),
                    slots=self._context.config.max_parallel_runs,
                )
                return True
            except FileWriteError as error:
                if not is_of_the_drive(error.cause):
                    raise
            now_s = self._clock.monotonic()
            for act in (self._machine.watch_writing, self._look_at_requests, self._beat):
                self._guarded(act, now_s)
            self._clock.sleep(_LOOK_S)
        return False

    @property
    def _leaves(self) -> bool:
        return self._farewell is not None and self._farewell.ending is Ending.LEAVE

    def _begin(self) -> None:
        schemas.prepare()
        ledger = self._context.ledger
        self._runs_at_start, self._runs_judged = self._context.memory.index.runs, -1
        if self._limits.cycles is not None:
            self._context.last_cycle = self._first_cycle + self._limits.cycles
        for notice in (*self._context.config.notices, *missing_missions(self._context.config)):
            ledger.record("notice", text=notice)
        self._context.jobs.forget_old()
        self._cycle.recover()
        self._guarded(self._look_at_finish_up, self._started_s)  # before a limit is looked at: it may have to wait

    def _tick(self) -> bool:
        """Do what is due; tell whether it is over. What fails holds up nothing else."""
        now_s = self._clock.monotonic()
        self._guarded(self._look_at_home, now_s)
        if self._machine.is_home_away:
            return self._farewell is not None and (self._leaves or now_s >= self._farewell_by_s)
        for act in (self._look_at_config, self._look_at_requests, *self._machine.acts()):
            self._guarded(act, now_s)
        if self._farewell is not None:
            self._guarded(self._part, now_s)
        elif self._machine.lets_work(now_s):
            for act in (self._look_at_limits, self._cycle.take_requests, self._cycle.tick):
                self._guarded(act, now_s)
        self._guarded(self._reap, now_s)
        self._ticks.add(self._clock.monotonic() - now_s)
        over = self._parted or (self._farewell is not None and now_s >= self._farewell_by_s)
        if self._heartbeat_due.due(now_s) or over:
            self._guarded(self._beat, now_s)
        return over

    def _catch_up(self, now_s: float) -> None:
        self._context.ledger.catch_up()

    def _guarded(self, act: Callable[[float], None], now_s: float) -> bool:
        """Do one part of a tick; tell whether it was done. The tick guard: a failure is journaled, and life goes on."""
        try:
            act(now_s)
            self._errors.pop(act.__name__, None)
            return True
        except LoopError as error:
            self._complain(act.__name__, f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - the tick guard: a defect of ours must not end the night
            text = f"a defect in llm_loop: {type(error).__name__}: {error}"
            self._complain(act.__name__, text, traceback.format_exc())
        return False

    def _reap(self, now_s: float) -> None:
        self._keepers.reap()

    def _look_at_limits(self, now_s: float) -> None:
        """Begin to end when a limit is reached: before anything else is launched or decided."""
        if self._farewell is None and (reason := self._reached_limit(now_s)) is not None:
            self.farewell(Ending.POLITE, reason)
            self._context.accepts_cycles = False
            self._context.holds[FAREWELL] = "the loop ends"

    def _part(self, now_s: float) -> None:
        """Take the next step of the farewell; note when everything has ended."""
        assert self._farewell is not None
        context, slots = self._context, self._cycle.slots
        context.accepts_cycles = False
        if self._leaves:
            self._parted = True
            return
        polite = self._farewell.ending is Ending.POLITE
        context.holds[FAREWELL] = "the loop ends"
        for run in context.ledger.state.in_state(RunState.RUNNING):
            slots.request_stop(run, DAEMON_STOP if polite else SHUTDOWN)
        if polite:
            slots.drop_staged("dropped: the loop was stopped")
            call_for_approval(context.ledger, context.config)  # nobody has to say anything of those
        slots.watch(now_s)
        planned = self._cycle.cancel_planning("the loop was stopped") if polite else True
        running = context.ledger.state.in_state(RunState.RUNNING)
        self._parted = planned and not running and not slots.looks_at_code()
        context.ledger.save()

    def _end(self) -> str:
        assert self._farewell is not None
        with suppress(FileWriteError):
            self._context.ledger.record(
                "daemon_ended", reason=self._farewell.reason, ending=self._farewell.ending.value, exit_code=0
            )
            self._context.ledger.save()
        self._stopped = True
        if not self._machine.is_home_away:  # else the keepers end the jobs, by their deadlines
            self._context.jobs.end_all()
            self._guarded(self._beat, self._clock.monotonic())
        return self._farewell.reason

    # ------------------------------------------------------------ what a tick looks at

    def _look_at_config(self, now_s: float) -> None:
        if self._config_watch.tick(now_s):
            self._cycle.plan_lane.wake()  # a slot more, another worker: no wait of before holds them up

    def _look_at_home(self, now_s: float) -> None:
        why_not = self._machine.look_at_home(now_s)
        if self._farewell is None and why_not is not None:
            self.farewell(Ending.POLITE, why_not)

    def _look_at_requests(self, now_s: float) -> None:
        requests = read_requests(self._paths)
        ledger = self._context.ledger
        if requests.stop_daemon is not None and self._is_new(self._paths.stop_daemon):
            leave = requests.stop_daemon == LEAVE_RUN
            self.farewell(Ending.LEAVE if leave else Ending.POLITE, "stopped on request")
            self._consume(self._paths.stop_daemon, requests.stop_daemon)
        if requests.stop_current_run is not None and self._is_new(self._paths.stop_current_run):
            wanted = requests.stop_current_run
            for run in ledger.state.in_state(RunState.RUNNING):
                if wanted in ("", run.run_id):
                    self._cycle.slots.request_stop(run, FLAG)
            self._consume(self._paths.stop_current_run, wanted)
        if requests.pause:
            if PAUSE not in self._context.holds:
                ledger.record("paused", monotonic_s=round(now_s, 3))
            self._context.holds[PAUSE] = "paused by a person"
        elif PAUSE in self._context.holds:
            ledger.record("resumed", monotonic_s=round(now_s, 3))
            del self._context.holds[PAUSE]

    def _is_new(self, flag: Path) -> bool:
        """Tell whether a flag was not obeyed yet: one that cannot be removed must not stop the next run too."""
        return flag not in self._flags_taken or self._flags_taken[flag] != files.signature(flag)

    def _consume(self, flag: Path, text: str) -> None:
        self._flags_taken[flag] = files.signature(flag)
        with suppress(FileWriteError):  # on a full disk, too, a flag that was obeyed must not be obeyed again
            self._context.ledger.record("flag_consumed", flag=flag.name, text=text)
        consume(flag)
        del self._flags_taken[flag]

    def _look_at_finish_up(self, now_s: float) -> None:
        self._cycle.finish_up.tick(now_s)

    def _reached_limit(self, now_s: float) -> str | None:
        """Return why the loop ends, or None. What ends the search lets a wished finish-up come first, at once."""
        context, finish_up, limits = self._context, self._cycle.finish_up, self._limits
        if limits.run_minutes is not None and (over := self._are_minutes_over(limits.run_minutes, now_s)) is not None:
            return over
        if finish_up.is_at_work:
            return None
        reason = context.search_over or self._why_search_is_over()
        if reason is None or not finish_up.bring_forward(reason):
            return reason
        context.search_over = reason
        return None

    def _why_search_is_over(self) -> str | None:
        """Return which limit of the search is reached: cycles, a target, convergence; None for none."""
        state, limits, last = self._context.ledger.state, self._limits, self._context.last_cycle
        if last is not None and state.cycle >= last and state.plan is None and not state.runs:
            return f"{limits.cycles} cycle{'' if limits.cycles == 1 else 's'} done (--cycles)"
        index = self._context.memory.index
        if index.runs == self._runs_judged:
            return None
        self._runs_judged = index.runs
        for target, name in ((limits.until, "--until"), (target_of(self._context.config), "target_value")):
            if target is not None and (run := target.met_by(index)) is not None:
                return f"{run.label} ({run.run_id}) reached {target} ({name})"
        without_gain = self._context.memory.runs_without_gain(self._context.config.convergence_threshold)
        return convergence_reason(index.runs - self._runs_at_start, without_gain, self._context.config)

    def _are_minutes_over(self, minutes: float, now_s: float) -> str | None:
        """Return why the loop ends by its time, or None; a finish-up that is at work may have a moment more."""
        finish_up, over_s = self._cycle.finish_up, now_s - self._started_s - minutes * 60
        if finish_up.is_done:
            return f"finished up: {finish_up.outcome}"
        late_s = min(over_s, -finish_up.seconds_left)  # a person may have moved the deadline since
        if over_s < 0 or (finish_up.is_at_work and late_s < _FINISH_UP_PATIENCE_S):
            return None
        return f"{minutes:g} minutes are over (--run-minutes)"

    # ------------------------------------------------------------ what people see

    def _complain(self, part: str, text: str, trace: str | None = None) -> None:
        """Journal a failure of a part of the tick once, however often it comes back in a row."""
        if text != self._errors.get(part):
            self._errors[part] = text
            with suppress(FileWriteError):
                self._context.ledger.note("error", why=text, trace=trace)  # it may be of the projecting itself

    def _beat(self, now_s: float) -> None:
        status = "stopped" if self._stopped else "ending" if self._farewell else "running"
        reason = None if self._farewell is None else self._farewell.reason
        error = next(iter(self._errors.values()), None)
        self._heartbeat.beat(now_s, status=status, reason=reason, error=error, ticks=self._ticks)

    def _take_gesture(self, name: str) -> None:
        """Begin to end as a signal or a console event asks; the next tick takes it up."""
        self.farewell(*_GESTURES[name])


_GESTURES = {
    "interrupt": (Ending.POLITE, "Ctrl-C"),
    "shutdown": (Ending.INTERRUPT, "log-off or shutdown"),
    "closed": (Ending.LEAVE, "its window was closed"),
}
