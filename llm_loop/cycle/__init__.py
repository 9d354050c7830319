"""The order of the stages; the only room that knows it.

    plan lane    observe -> decide -> review (when due) -> gate -> prepare -> validate   ->  staged decision
    run slots    launch -> monitor -> [diagnose -> repair -> validate -> next attempt] -> record -> learn

Two lanes side by side: while a run trains, the next decision is staged, so the accelerator waits for
nobody. Both are advanced by ticks and take their next step from the state alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from llm_loop.contract.run import RunState
from llm_loop.cycle.closing import close
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.finish_up.desk import FinishUpDesk
from llm_loop.cycle.inbox import Inbox
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.notifying import Notifying
from llm_loop.cycle.opening import tell_damage
from llm_loop.cycle.plan_lane import PlanLane
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.cycle.waking import TODO_EDITED, Wake
from llm_loop.errors import FileWriteError
from llm_loop.memory.finish_up import Phase
from llm_loop.memory.markdown_file import HumanEdit
from llm_loop.system.clock import Every

__all__ = ["Context", "Cycle"]

_STEPS_A_TICK = 12
_EDITS_EVERY_S = 1.0
_PRUNE_EVERY_S = 300.0


class Cycle:
    """Advance both lanes of one workspace.

    ``after_an_ending`` is called between a run's ending and the next launch: a limit that the run
    reached must not cost another launch.
    """

    def __init__(self, context: Context, after_an_ending: Callable[[float], None] = lambda now_s: None) -> None:
        self.context = context
        self.after_an_ending = after_an_ending
        self._code_jobs, judge = CodeJobs(context), Judge(context)
        self.slots = RunSlots(context, self._code_jobs)
        self.plan_lane = PlanLane(context, self._code_jobs, judge, self.slots)
        self.finish_up = FinishUpDesk(context, self.slots, self.cancel_planning)
        self._inbox = Inbox(context, self._code_jobs, judge)
        self._notifying = Notifying(context)
        self._prune_due = Every(_PRUNE_EVERY_S)
        self._next_edits_s = 0.0
        self._edit_troubles: set[str] = set()
        self._pruning = False
        self._wakes_by_people: list[Wake] = []

    def recover(self) -> None:
        """Take up what an earlier daemon left behind."""
        self.context.memory.ensure_files()
        tell_damage(self.context)
        self.slots.recover()
        with suppress(FileWriteError):  # somebody holds state.json: the first tick tries again, and says so
            self.context.ledger.save()

    def tick(self, now_s: float) -> None:
        """Take every step that is due at ``now_s`` (monotonic seconds), then save.

        Raises FileWriteError when the disk refuses; the next tick tries again.
        """
        self.context.codex.look(now_s)
        self.context.devices.tick(now_s)
        self._notifying.tick(now_s)
        if self.finish_up.tick(now_s):
            self.plan_lane.wake()
        for _ in range(_STEPS_A_TICK):
            before, cycle = self.context.ledger.state.seq, self.context.ledger.state.cycle
            if self.slots.watch(now_s):
                self.plan_lane.wake()
                self.after_an_ending(now_s)
            self.finish_up.tell_the_lanes()
            self.slots.launch(now_s)
            self.finish_up.tell_the_lanes()
            self.plan_lane.advance(now_s, [*self.slots.wakes(now_s), *self._wakes_by_people])
            if self.context.ledger.state.cycle != cycle:
                self._wakes_by_people.clear()  # told in the cycle that was opened; one under way has not seen them
            if self.context.ledger.state.seq == before:
                break
        self._journal_edits(now_s)
        self._prune_checkouts(now_s)
        self._code_jobs.forget_unasked(now_s)
        self.context.ledger.save()

    def take_requests(self, now_s: float) -> None:
        """Take the next step of the oldest request in the inbox. Raises FileWriteError."""
        if self._inbox.tick(now_s):
            self.plan_lane.wake()

    def _prune_checkouts(self, now_s: float) -> None:
        if self._pruning or (self._prune_due.due(now_s) and self.context.paths.checkouts.is_dir()):
            self._pruning = not self._code_jobs.prune(now_s)

    def cancel_planning(self, reason: str) -> bool:
        """End the open cycle of the plan lane as dropped; tell whether nothing is open any more.

        A call in flight is asked to end first, which takes its keeper about a second.
        """
        plan = self.context.ledger.state.plan
        if plan is None:
            return True
        if plan.call_id is not None:
            folder = self.context.paths.call(plan.call_id)
            if folder.is_dir() and self.context.calls.poll(folder, self.context.clock.monotonic()) is None:
                self.context.calls.request_stop(folder)
                return False
        close(self.context, plan=plan, result="dropped", reason=reason)
        return True

    def phase(self) -> str:
        """Return what the loop is doing, in a word or two."""
        state = self.context.ledger.state
        training = bool(state.in_state(RunState.RUNNING))
        plan = state.plan
        planning = None if plan is None else {"decide": "deciding", "review": "reviewing"}[plan.step]
        if state.finish_up.phase is Phase.REPORTING:
            return "reporting"
        if self.context.holds and not training:
            return "holding"
        doing = " and ".join(filter(None, ["training" if training else None, planning])) or "waiting"
        return f"finishing up: {doing}" if state.finish_up.phase is Phase.FINAL_TRAINING else doing

    def _journal_edits(self, now_s: float) -> None:
        """Journal what a person changed in the markdown files, whole, and let the worker know."""
        if now_s < self._next_edits_s:
            return
        self._next_edits_s = now_s + _EDITS_EVERY_S
        edits = self._edits_taken()
        for edit in edits:
            why = None if edit.error is None else str(edit.error)
            path = edit.path.relative_to(self.context.paths.root).as_posix()
            if edit.path == self.context.paths.shared_todo and not self._wakes_by_people:
                self._wakes_by_people.append(Wake(None, TODO_EDITED))
            self.context.ledger.record("human_edit", path=path, change=edit.kind.value, text=edit.text, why=why)
        if edits:
            self.context.memory.accept_edits()
            self.plan_lane.wake()

    def _edits_taken(self) -> list[HumanEdit]:
        """Return the edits found; a file that cannot be looked at is journaled once, for as long as it cannot."""
        edits, troubles = self.context.memory.take_edits()
        for error in troubles:
            if str(error) not in self._edit_troubles:
                self.context.ledger.record("file_not_written", path=str(error.path), why=str(error))
        self._edit_troubles = {str(error) for error in troubles}
        return edits
