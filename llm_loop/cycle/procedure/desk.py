"""Mend the runs that failed, one step a tick: what comes next follows from each run's procedure alone.

diagnosed -> mend_intended -> mend_done -> validated again -> queued first
          -> run_moved, where a folder was away when it broke: it waits for its turn again
          -> undo_intended -> undo_done, one install after the other, before a run ends or tries something else

A run that a person cancels is over once nothing of it is half done: a mend that waits for its turn is not begun any
more, an install that works comes to its end. What was installed whole for it stays, as after a cancelled training.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from llm_loop.contract.mend import Flag, Mend, MendKind, Phase
from llm_loop.contract.procedure import ModelRepair, Trouble
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.context import Context
from llm_loop.cycle.procedure.absence import Absence
from llm_loop.cycle.procedure.config_patch import ConfigPatch
from llm_loop.cycle.procedure.environment import Change, EnvironmentDesk
from llm_loop.cycle.procedure.facts import run_facts
from llm_loop.cycle.procedure.people import PeopleDesk
from llm_loop.cycle.run_endings import NOT_INSTALLED, RunEndings
from llm_loop.errors import LoopError
from llm_loop.memory.queue import is_withdrawn
from llm_loop.stages.record import Outcome
from llm_loop.stages.repair import next_mend

_OF_AGENTS: dict[ModelRepair | None, str] = {
    ModelRepair.WANTED: "an agent is asked for a mend next",
    ModelRepair.ASKED: "an agent is asked for a mend",
    ModelRepair.ANSWERED: "an agent's mend is a run of its own",
    ModelRepair.GIVEN_UP: "no agent mends it",
}
_OF_ENVIRONMENT = (MendKind.INSTALL_PACKAGES, MendKind.CLONE_SOURCE)


class RepairDesk:
    """Take the next step of every run under repair."""

    def __init__(self, context: Context, endings: RunEndings, is_validating: Callable[[], bool]) -> None:
        self._context, self._endings = context, endings
        self._environment = EnvironmentDesk(context, is_validating)
        self._configs = ConfigPatch(context)
        self._people = PeopleDesk(context)
        self._absence = Absence(context)

    def tick(self, now_s: float, *, may_mend: bool = True) -> bool:
        """Take one step of each run under repair; tell whether one ended. Raises FileWriteError.

        Where the loop is about to end (``may_mend`` is false), what is to be mended waits for the next start.
        """
        ended = False
        for run in self._context.ledger.state.in_state(RunState.REPAIRING):
            try:
                self._advance(run, now_s, may_mend=may_mend)
            except LoopError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect of ours in one repair must not hold up the others
                self._give_up(run, error)
            ended |= self._context.ledger.state.runs[run.run_id].state.is_final
        if any(run.state is RunState.COMPLETED for run in self._context.ledger.state.runs.values()):
            self._people.take_back()
        self._people.tick(now_s)
        self._environment.settle(now_s)
        self._configs.forget_unasked(now_s)
        return ended

    def _give_up(self, run: Run, error: Exception) -> None:
        """End a run whose repair meets a defect of ours. Raises FileWriteError."""
        why = f"a defect in llm_loop: {type(error).__name__}: {error}"
        self._context.ledger.record("error", run_id=run.run_id, why=why, trace=traceback.format_exc())
        self._endings.end(run, Outcome(state=RunState.FAILED, cause="defect", detail=why))

    def waiting_for(self) -> dict[str, str]:
        """Return by run id what is being done about each run under repair, for people."""
        return {run.run_id: self._words(run) for run in self._context.ledger.state.in_state(RunState.REPAIRING)}

    def _words(self, run: Run) -> str:
        trouble, config = run.procedure.trouble, self._context.config
        assert trouble is not None
        if trouble.undo:
            return "taking back an install" + (f", {len(trouble.undo)} in all" if len(trouble.undo) > 1 else "")
        cause = "" if trouble.diagnosis is None else f" ({trouble.diagnosis.cause.value})"
        if not trouble.is_mending:
            return f"repairing{cause}: {_OF_AGENTS.get(trouble.model, 'what to do is decided next')}"
        mend = run.procedure.mends[-1].mend
        if trouble.diagnosis is None:
            return f"preparing: {mend.why}"
        number = sum(done.mend.phase is mend.phase for done in run.procedure.mends)
        is_early = mend.phase is Phase.VALIDATION
        most = config.max_validation_retries if is_early else config.max_execution_retries
        return f"repairing{cause}: {mend.why} (mend {number} of at most {max(number, most)})"

    def _advance(self, run: Run, now_s: float, *, may_mend: bool) -> None:
        trouble = run.procedure.trouble
        assert trouble is not None
        if trouble.undo or trouble.is_mending:
            if may_mend:
                self._work(run, trouble, now_s)
        elif is_withdrawn(run):
            self._let_go(run, trouble, may_mend=may_mend)
        elif trouble.model in (ModelRepair.WANTED, ModelRepair.ASKED):
            if may_mend:
                self._await_agent(run, trouble)
        elif trouble.is_mended:
            self._end(run, trouble)
        elif away := self._absence.behind(run, trouble, now_s):
            state = RunState.QUEUED if run.attempts else RunState.STAGED
            why = f"{', '.join(away)} was away"
            self._context.ledger.record("run_moved", run_id=run.run_id, state=state.value, why=why)
        elif away is not None:
            self._decide(run, trouble, may_mend=may_mend and self._may_train_again(run))

    def _may_train_again(self, run: Run) -> bool:
        """Tell whether a run that is mended may be launched: in the window of a finish-up a final round alone."""
        state = self._context.ledger.state
        return not self._context.last_hour.is_search_over or run.run_id in state.finish_up.rounds_begun

    def _work(self, run: Run, trouble: Trouble, now_s: float) -> None:
        if trouble.undo:
            self._undo(run, trouble.undo[0], now_s)
        elif is_withdrawn(run) and not self._environment.is_begun(run):
            self._done(run, Change(ok=False, outcome="not begun: the run was cancelled"))
        else:
            self._mend(run, now_s)

    # ------------------------------------------------------------ what to do

    def _decide(self, run: Run, trouble: Trouble, *, may_mend: bool) -> None:
        """Mend once more, or let it be: what was installed for a run that fails is taken back first."""
        in_vain = _in_vain(run, trouble)
        found = None if in_vain or trouble.diagnosis is None else self._next(run, trouble)
        if not may_mend and (isinstance(found, Mend) or run.procedure.installs):
            return
        if isinstance(found, Mend):
            self._context.ledger.record("mend_intended", run_id=run.run_id, mend=found.to_json())
            return
        if records := in_vain or run.procedure.installs:
            self._take_back(run, records)
            return
        if isinstance(found, Flag) and self._may_ask_an_agent(run, trouble, found):
            self._context.ledger.record("model_repair", run_id=run.run_id, state=ModelRepair.WANTED.value, why=None)
            return
        needs_human = isinstance(found, Flag) and trouble.model is not ModelRepair.ANSWERED
        if isinstance(found, Flag) and needs_human:
            self._people.call(run, trouble, found)
        self._end(run, trouble, needs_human=needs_human)

    def _let_go(self, run: Run, trouble: Trouble, *, may_mend: bool) -> None:
        """End a run that a person has cancelled, once what was installed in vain is taken back."""
        if not (records := _in_vain(run, trouble)):
            self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=run.stop_reason))
        elif may_mend:
            self._take_back(run, records)

    def _take_back(self, run: Run, records: Sequence[str]) -> None:
        self._context.ledger.record("undo_intended", run_id=run.run_id, records=list(records)[::-1])

    def _may_ask_an_agent(self, run: Run, trouble: Trouble, flag: Flag) -> bool:
        """Tell whether an agent shall try to mend a run that no rule mends: once, and not its own mend."""
        is_new = trouble.model is None and run.repair_of is None
        return is_new and flag.model_may_help and self._context.can_mend()

    def _await_agent(self, run: Run, trouble: Trouble) -> None:
        """Wait for an agent's mend no longer than one can be asked."""
        plan = self._context.ledger.state.plan
        is_asked = plan is not None and plan.repairs == run.run_id
        if not is_asked and (trouble.model is ModelRepair.ASKED or not self._context.can_mend()):
            given_up = {"state": ModelRepair.GIVEN_UP.value, "why": "no agent can be asked any more"}
            self._context.ledger.record("model_repair", run_id=run.run_id, **given_up)

    def _next(self, run: Run, trouble: Trouble) -> Mend | Flag | None:
        assert trouble.diagnosis is not None
        facts = run_facts(self._context, run, trouble.phase, trouble.diagnosis)
        mends = [done.mend for done in run.procedure.mends]
        return next_mend(trouble.diagnosis, facts, self._context.config, mends)

    def _end(self, run: Run, trouble: Trouble, *, needs_human: bool = False) -> None:
        state = RunState.NEEDS_HUMAN if needs_human else RunState.FAILED
        cause, detail = trouble.cause, trouble.detail
        if trouble.model is ModelRepair.ANSWERED:
            detail = f"{detail or cause}; {trouble.model_word} is an agent's mend of it"
        if _is_asked_for(run):
            cause, detail = NOT_INSTALLED, run.procedure.mends[-1].mend.outcome
        self._endings.end(run, Outcome(state=state, cause=cause, detail=detail))

    # ------------------------------------------------------------ doing it

    def _mend(self, run: Run, now_s: float) -> None:
        mend = run.procedure.mends[-1].mend
        if mend.kind in _OF_ENVIRONMENT:
            change = self._environment.install(run, mend, now_s)
            if change is not None:
                self._done(run, change)
            return
        patched = self._configs.apply(run, mend, now_s)
        if patched is not None:
            ok = patched.command is not None
            self._done(run, Change(ok=ok, outcome=patched.outcome), patched.command)

    def _done(self, run: Run, change: Change, command: str | None = None) -> None:
        self._context.ledger.record(
            "mend_done",
            run_id=run.run_id,
            ok=change.ok,
            outcome=change.outcome,
            command=command,
            record=change.record,
            account=change.account,
            retry=_is_asked_for(run) or self._context.config.auto_repair_retry_on_success,
        )

    def _undo(self, run: Run, record: str, now_s: float) -> None:
        change = self._environment.undo(run, record, now_s)
        if change is None:
            return
        if not change.ok:
            self._people.call_for_environment(run, record, change.outcome)
        self._context.ledger.record("undo_done", run_id=run.run_id, record=record, ok=change.ok, outcome=change.outcome)


def _in_vain(run: Run, trouble: Trouble) -> tuple[str, ...]:
    return tuple(record for record in run.procedure.installs if _is_in_vain(run, trouble, record))


def _is_in_vain(run: Run, trouble: Trouble, record: str) -> bool:
    """Tell whether an install came to no good end, or left what it was for as it was."""
    done = next(one for one in run.procedure.mends if one.record == record)
    if not done.ok or _is_asked_for(run):
        return True
    if trouble.diagnosis is None:
        return False
    names = (trouble.diagnosis.named("module"), trouble.diagnosis.named("model"))
    return done.mend.cause is trouble.diagnosis.cause and done.mend.subject in names


def _is_asked_for(run: Run) -> bool:
    """Tell whether packages are installed that the decision itself asks for: nothing has failed yet."""
    trouble, mends = run.procedure.trouble, run.procedure.mends
    return trouble is not None and trouble.cause is None and trouble.diagnosis is None and bool(mends)
