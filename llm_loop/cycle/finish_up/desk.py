"""Take a finish-up through its phases: scheduled, final training, reporting, done.

What comes next follows from the journal and the time that is left, so a daemon that was killed anywhere goes on where
it was. The report does not depend on anything that may be gone by then: not on a model, a network, or a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from llm_loop.contract.context import FinishUp
from llm_loop.contract.finish_up import FinishUpStatus, FinishUpWish
from llm_loop.contract.run import Run, RunState
from llm_loop.contract.stop_reasons import FINISH_UP
from llm_loop.cycle.context import Context, LastHour
from llm_loop.cycle.finish_up.reporting import REPORT, WRITTEN, Reporting
from llm_loop.cycle.finish_up.window import Window, seconds_of, window_of
from llm_loop.cycle.finish_up.wish_watch import WishWatch
from llm_loop.memory.finish_up import Phase

HOLD = "finish-up"
"""Among the holds: the night is over."""
_LEAST_TRAINING_S = 5.0
_DROPPED = "dropped: the finish-up window has opened"


class Trainings(Protocol):
    """What the desk needs of the run slots."""

    def request_stop(self, run: Run, reason: str) -> None:
        """Ask a run to end politely."""

    def drop_staged(self, reason: str) -> None:
        """Close the cycles of the runs that wait for a slot."""

    def progress(self, now_s: float) -> dict[str, dict[str, Any]]:
        """Return what is known of the running attempts, by run id."""


class FinishUpDesk:
    """Follow the wish of one workspace. ``cancel_planning`` ends the open cycle, and tells whether none is open."""

    def __init__(self, context: Context, trainings: Trainings, cancel_planning: Callable[[str], bool]) -> None:
        self._context, self._trainings, self._cancel_planning = context, trainings, cancel_planning
        self._watch = WishWatch(context)
        self._reporting = Reporting(context)
        self._window: Window | None = None
        self._has_looked = False

    @property
    def is_done(self) -> bool:
        """Whether the report of the wish is written: of the one that lies there, not of one that was taken away."""
        return self._has_looked and self._context.ledger.state.finish_up.phase is Phase.DONE

    @property
    def is_at_work(self) -> bool:
        """Whether the window is open and the report not written yet."""
        return self._context.ledger.state.finish_up.is_open

    @property
    def seconds_left(self) -> float:
        """How long the window is open still; at most 0 where none is wished."""
        return 0.0 if self._window is None else self._window.over_s - self._now_s()

    @property
    def outcome(self) -> str:
        """What a finish-up that is done has come to, for people."""
        said = (self._context.ledger.state.finish_up.reports or {}).get(REPORT, WRITTEN)
        return "the report is written" if said == WRITTEN else f"there is NO report: {said}"

    def bring_forward(self, why: str) -> bool:
        """Open the wished window now, for nothing is left to search; tell whether one was wished.

        The window stays as long as it was wished, and is over by its deadline at the latest. Raises FileWriteError.
        """
        wish, now = self._watch.wish(), self._context.clock.utc_now()
        if not self._has_looked or wish is None or self._context.ledger.state.finish_up.phase is not Phase.SCHEDULED:
            return False
        if wish.activate_at > now:
            deadline = min(wish.deadline, now + (wish.deadline - wish.activate_at))
            status = FinishUpStatus.REQUESTED
            self._watch.bring_forward(replace(wish, activate_at=now, deadline=deadline, status=status), why)
            self._window = None
        return True

    def tick(self, now_s: float) -> bool:
        """Take the next step; tell whether the phase is another. Raises FileWriteError; the next tick tries again."""
        before = self._context.ledger.state.finish_up.phase
        self._step(now_s)
        return self._context.ledger.state.finish_up.phase is not before

    def _step(self, now_s: float) -> None:
        if self._watch.look(now_s) or self._window is None:
            wish = self._watch.wish()
            self._window = None if wish is None else window_of(wish, self._context.clock)
        self._has_looked = True
        wish, window = self._watch.wish(), self._window
        self.tell_the_lanes()
        if self._context.ledger.state.finish_up.phase is not Phase.REPORTING:
            self._reporting.let_go()
        if wish is None or window is None:
            return
        match self._context.ledger.state.finish_up.phase:
            case Phase.SCHEDULED if self._now_s() >= window.opens_s:
                self._open(wish)
            case Phase.FINAL_TRAINING:
                self._train(wish, window, now_s)
            case Phase.REPORTING if self._reporting.tick(wish, window, now_s):
                self._context.ledger.record("finish_up_done")
                self._watch.tell(FinishUpStatus.DONE)
        self.tell_the_lanes()

    def tell_the_lanes(self) -> None:
        """Say what is left to decide, as of now: what was staged or has ended since the last word changes that."""
        self._hold()
        phase = self._context.ledger.state.finish_up.phase
        self._context.last_hour = LastHour(
            is_search_over=phase not in (None, Phase.SCHEDULED),
            wants_round=phase is Phase.FINAL_TRAINING and self.wants_round(),
            may_ask_models=self.may_ask_models(),
            call_seconds=self.call_seconds(),
            training_s=self._training_s(),
            told=self.told(),
        )

    def wants_round(self) -> bool:
        """Tell whether a final training is to be decided now: for a slot that is free, so that it begins at once."""
        wish, window = self._watch.wish(), self._window
        if wish is None or window is None or wish.report_now:
            return False
        state = self._context.ledger.state.finish_up
        if state.why_no_more is not None or len(state.rounds_begun) >= wish.rounds or not self._has_room():
            return False
        return self._training_left_s(window) >= _LEAST_TRAINING_S

    def _has_room(self) -> bool:
        """Tell whether a slot is free for another round; one whose run is asked to end is about to be."""
        state = self._context.ledger.state
        open_rounds = [state.runs[run_id] for run_id in state.finish_up.rounds_begun if run_id in state.runs]
        waiting = sum(run.state is not RunState.RUNNING for run in open_rounds)
        training = sum(run.stop_reason is None for run in state.in_state(RunState.RUNNING))
        return waiting + training < self._context.config.max_parallel_runs

    def may_ask_models(self) -> bool:
        """Tell whether a model may be asked still; outside of the window always."""
        is_open = self._context.ledger.state.finish_up.is_open
        return not is_open or self._window is None or self._now_s() < self._window.models_until_s

    def call_seconds(self) -> float | None:
        """Return how long a model call may take at most; None outside of the window."""
        if not self._context.ledger.state.finish_up.is_open or self._window is None:
            return None
        return max(1.0, self._window.models_until_s - self._now_s())

    def told(self) -> FinishUp | None:
        """Return what worker and mentor are told; None while nothing is wished."""
        state, wish, window = self._context.ledger.state.finish_up, self._watch.wish(), self._window
        if state.phase in (None, Phase.DONE) or wish is None or window is None:
            return None
        assert state.phase is not None
        to_begin = max(1, wish.rounds - len(state.rounds_begun))
        in_turn = math.ceil(to_begin / self._context.config.max_parallel_runs)
        return FinishUp(
            phase=state.phase.value,
            minutes_left=round((window.over_s - self._now_s()) / 60, 1),
            minutes_until_activation=round(max(0.0, window.opens_s - self._now_s()) / 60, 1),
            remaining_final_training_rounds=max(0, wish.rounds - len(state.rounds_begun)),
            training_seconds_left=round(max(0.0, self._training_left_s(window)) / in_turn, 1),
            note=wish.note,
        )

    # ------------------------------------------------------------ phases

    def _now_s(self) -> float:
        return seconds_of(self._context.clock)

    def _training_left_s(self, window: Window) -> float:
        grace_s = self._context.config.stop_grace_seconds
        return window.training_until_s(grace_s, has_test=self._reporting.has_test()) - self._now_s()

    def _training_s(self) -> float | None:
        """Return how long a training that begins now may take; None while the window is not open."""
        is_open = self._context.ledger.state.finish_up.is_open
        return None if self._window is None or not is_open else self._training_left_s(self._window)

    def _hold(self) -> None:
        """Launch nothing more once the report is being made, nor while what is planned is being dropped."""
        holds, phase = self._context.holds, self._context.ledger.state.finish_up.phase
        if phase is Phase.DONE:
            holds[HOLD] = f"finished up: {self.outcome}; `llm-loop finishup --cancel` goes on"
        elif phase is Phase.REPORTING:
            holds[HOLD] = "finishing up: the report is being written"
        elif phase is Phase.SCHEDULED and self._window is not None and self._now_s() >= self._window.opens_s:
            holds[HOLD] = "finishing up: the window opens"
        else:
            holds.pop(HOLD, None)

    def _open(self, wish: FinishUpWish) -> None:
        """Open the window: what is planned and staged is dropped, what trains may go on as far as it fits."""
        if not self._cancel_planning("the finish-up window has opened"):
            return
        self._trainings.drop_staged(_DROPPED)
        self._context.ledger.record("finish_up_activated", wish=wish.to_json())
        self._watch.tell(FinishUpStatus.ACTIVE)

    def _train(self, wish: FinishUpWish, window: Window, now_s: float) -> None:
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        left_s = self._training_left_s(window)
        if wish.report_now:
            left_s = 0.0
        progress = self._trainings.progress(now_s)
        for run in running:
            if left_s <= 0 or not self._may_go_on(run, self._seconds_to_go(progress.get(run.run_id)), left_s, wish):
                self._trainings.request_stop(run, FINISH_UP)
        if self._rounds_are_over(wish, left_s) and (not running or self._now_s() >= window.report_from_s):
            self._begin_to_report(wish, left_s)

    def _may_go_on(self, run: Run, eta_s: float | None, left_s: float, wish: FinishUpWish) -> bool:
        """Tell whether a run that trains leaves room: a final one goes to the end, another half of the time at most."""
        if run.run_id in self._context.ledger.state.finish_up.rounds_begun or wish.rounds == 0:
            return True
        return eta_s is not None and eta_s <= left_s / 2

    def _seconds_to_go(self, progress: Mapping[str, Any] | None) -> float | None:
        """Return how long a run trains on; before its first epoch as the best run did, None where that is over too."""
        if progress is None or progress["eta_s"] is not None:
            return None if progress is None else float(progress["eta_s"])
        best = self._context.memory.best_row()
        if best is None or best.run_seconds is None or progress["age_s"] is None:
            return None
        return left_s if (left_s := best.run_seconds - progress["age_s"]) > 0 else None

    def _rounds_are_over(self, wish: FinishUpWish, left_s: float) -> bool:
        context, state = self._context, self._context.ledger.state.finish_up
        if left_s <= 0:
            return True
        is_open = context.ledger.state.plan is not None
        begun = [run_id for run_id in state.rounds_begun if run_id in context.ledger.state.runs]
        no_more = state.why_no_more is not None or len(state.rounds_begun) >= wish.rounds
        return not begun and ((no_more and not is_open) or (not is_open and left_s < _LEAST_TRAINING_S))

    def _begin_to_report(self, wish: FinishUpWish, left_s: float) -> None:
        context, state = self._context, self._context.ledger.state.finish_up
        if not self._cancel_planning("the report is due"):
            return
        self._trainings.drop_staged("dropped: the report is due")
        if wish.report_now:
            why = "the report was asked for at once"
        elif state.why_no_more is not None:
            why = state.why_no_more
        elif state.completed_rounds >= wish.rounds:
            why = "every final round is done"
        else:
            why = "no time is left for a training" if left_s < _LEAST_TRAINING_S else "the final rounds have ended"
        context.ledger.record("finish_up_reporting", why=why)
