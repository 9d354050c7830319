"""The plan lane: observe, decide, review, gate, prepare; one call at a time, one decision a cycle.

What comes next follows from the state alone, so a daemon that was killed anywhere goes on where it
was: a call in flight is adopted, an answer that was paid for and not journaled yet is read again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict

from llm_loop.agents.agent import BUILTIN, CODEX, COMMAND
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.observation import Role
from llm_loop.contract.run import RunState
from llm_loop.cycle.asking import Asking
from llm_loop.cycle.call_records import lean, of_cycle
from llm_loop.cycle.closing import close
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.waking import Wake
from llm_loop.memory.state import Plan
from llm_loop.stages.prepare import prepare
from llm_loop.stages.review import Standing, review_due
from llm_loop.system import files

ASKS_EACH = 2
LONGEST_WAIT_S = 900.0


class PlanLane:
    """Turn free slots into staged decisions."""

    def __init__(self, context: Context, code_jobs: CodeJobs, drop_staged_run: Callable[[str], None]) -> None:
        self._context = context
        self._drop_staged_run = drop_staged_run
        self._code_jobs = code_jobs
        self._asking = Asking(context, code_jobs)
        self._wait_until_s = 0.0

    def wake(self) -> None:
        """End a wait: something happened that a decision may want to know."""
        self._wait_until_s = 0.0

    def advance(self, now_s: float, wakes: Sequence[Wake] = ()) -> None:
        """Take the next step of the open cycle, or open one when a decision is wanted.

        ``wakes`` are reasons to ask the worker although each slot has its next decision.
        """
        plan = self._context.ledger.state.plan
        if plan is None:
            if self._wants_decision(now_s):
                self._open()
            elif wakes and self._may_be_woken():
                self._open(wakes)
        elif plan.call_id is not None:
            self._asking.await_call(plan, now_s)
        elif plan.step == "review" and plan.review is None:
            self._asking.ask(plan, Role.MENTOR, self._context.first_agent(Role.MENTOR), now_s)
        elif plan.accepted is not None:
            self._review_or_act(plan, now_s)
        else:
            self._ask_worker(plan, now_s)

    def _wants_decision(self, now_s: float) -> bool:
        context, state = self._context, self._context.ledger.state
        if now_s < self._wait_until_s or not self._may_open():
            return False
        slots = context.config.max_parallel_runs
        staged = len(state.in_state(RunState.STAGED))
        busy = len(state.in_state(RunState.RUNNING, RunState.QUEUED, RunState.INTERRUPTED))
        return staged < slots if context.config.plan_ahead else staged + busy < slots

    def _may_open(self) -> bool:
        context = self._context
        ended = context.last_cycle is not None and context.ledger.state.cycle >= context.last_cycle
        return context.accepts_cycles and not ended

    def _may_be_woken(self) -> bool:
        """Tell whether a worker is there to be woken: the built-in planner looks at ended runs alone."""
        context = self._context
        agent = context.first_agent(Role.WORKER)
        if agent == BUILTIN or (agent == CODEX and context.codex.resting(Role.WORKER) is not None):
            return False
        return self._may_open() and bool(context.ledger.state.in_state(RunState.RUNNING))

    def _open(self, wakes: Sequence[Wake] = ()) -> None:
        number = self._context.ledger.state.cycle + 1
        trace_id = f"C{number:04d}-{secrets.token_hex(4)}"
        agent = self._context.first_agent(Role.WORKER)
        if agent == CODEX and self._context.codex.resting(Role.WORKER) and self._context.config.fallback_planner:
            agent = BUILTIN
        woken_by = [asdict(wake) for wake in wakes]
        self._context.ledger.record(
            "cycle_opened", cycle=number, cycle_trace_id=trace_id, agent=agent, woken_by=woken_by
        )

    def _ask_worker(self, plan: Plan, now_s: float) -> None:
        """Ask the same agent once more, then the built-in planner, then nobody.

        Codex is waited for while a run trains, when what keeps it away is over soon; a free slot waits for nobody.
        """
        config = self._context.config
        rest = self._context.codex.resting(Role.WORKER) if plan.agent == CODEX else None
        if plan.agent == COMMAND and config.worker_command is None:  # taken out of the configuration meanwhile
            self._asking.ask(plan, Role.WORKER, BUILTIN, now_s)
        elif plan.asks < ASKS_EACH and rest is None:
            self._asking.ask(plan, Role.WORKER, plan.agent, now_s)
        elif plan.asks < ASKS_EACH and rest is not None and rest.is_short and self._slots_are_busy():
            return
        elif plan.agent != BUILTIN and config.fallback_planner and not plan.woken_by:
            self._asking.ask(plan, Role.WORKER, BUILTIN, now_s)
        else:
            why = "every proposal was refused or unusable" if rest is None else f"Codex rests: {rest.sentence}"
            self._wait(plan, why, now_s)

    def _slots_are_busy(self) -> bool:
        running = len(self._context.ledger.state.in_state(RunState.RUNNING))
        return running >= self._context.config.max_parallel_runs

    # ------------------------------------------------------------ acts

    def _review_or_act(self, plan: Plan, now_s: float) -> None:
        context = self._context
        if plan.review is None and (reasons := self._review_reasons(plan)):
            context.ledger.record("review_due", **of_cycle(plan), reasons=reasons)
            return
        assert plan.accepted is not None
        decision = Decision.from_json(plan.accepted["decision"])
        match decision.action:
            case Action.RUN_COMMAND:
                self._stage(plan, decision, now_s)
            case Action.WAIT:
                self._wait(plan, decision.rationale, now_s)
            case Action.STOP_CURRENT_RUN:
                self._stop_run(plan, decision)
            case Action.SHUTDOWN_DAEMON:
                files.replace_text(context.paths.stop_daemon, "")
                close(context, plan=plan, result="daemon_stop_requested")

    def _review_reasons(self, plan: Plan) -> list[str]:
        context, state = self._context, self._context.ledger.state
        signals = context.memory.priorities(state)
        standing = Standing(
            cycle=plan.cycle,
            runs_without_gain=context.memory.runs_without_gain(),
            cycles_since_run=state.cycles_since_run,
            research_priority=signals.research_priority,
            non_training_priority=signals.non_training_priority,
            breakout_priority=signals.breakout_priority,
        )
        due = review_due(standing, state.reviews, context.config)
        return [*due.reasons, *due.notes] if due.is_due else []

    def _stage(self, plan: Plan, decision: Decision, now_s: float) -> None:
        """Stage the run, once the place where its code runs is made; a place that cannot be is a refusal."""
        context, state = self._context, self._context.ledger.state
        assert plan.accepted is not None
        placed = self._code_jobs.place(plan.accepted, decision, now_s)
        if placed is None:
            return
        if placed.refused is not None:
            context.ledger.record("place_refused", **of_cycle(plan), why=placed.refused)
            return
        if plan.woken_by and (staged := state.in_state(RunState.STAGED)):
            self._drop_staged_run(staged[-1].run_id)
            state = context.ledger.state
        open_labels = {run.label for run in state.runs.values()}
        run = prepare(
            decision,
            run_number=self._next_run_number(),
            cycle=plan.cycle,
            cycle_trace_id=plan.cycle_trace_id,
            proposer=plan.accepted["proposer"],
            label_is_taken=lambda label: label in open_labels or context.memory.label_is_taken(label),
            config=context.config,
            code=placed.code,
            cycle_record={
                "proposals": [lean(record) for record in plan.proposals],
                "review": plan.review,
                "decision_source": plan.accepted["source"],
                "quality_gate": plan.accepted["quality_gate"],
                "use": state.agent_use.cycle.to_json(),
            },
        )
        is_bootstrap = decision.run_label == context.config.bootstrap_label
        context.ledger.record("run_staged", **of_cycle(plan), run=run.to_json(), bootstrap=is_bootstrap)

    def _next_run_number(self) -> int:
        """Return the number behind the last run's; those whose folder or history is there are passed over.

        They are when a person moved the journal away: a new run must not meet an old one's result.
        """
        paths, taken = self._context.paths, self._context.memory.run_ids()
        number = self._context.ledger.state.runs_made + 1
        while (run_id := f"R{number:04d}") in taken or paths.run(run_id).exists():
            number += 1
        return number

    def _wait(self, plan: Plan, reason: str, now_s: float) -> None:
        context = self._context
        if plan.woken_by:
            close(context, plan=plan, result="wait", reason=reason)
            return
        doubled = context.config.daemon_poll_seconds * 2.0 ** min(context.ledger.state.waits_in_a_row, 10)
        self._wait_until_s = now_s + min(doubled, LONGEST_WAIT_S)
        close(context, plan=plan, result="wait", reason=reason)

    def _stop_run(self, plan: Plan, decision: Decision) -> None:
        """Stop the run that is meant: where none is named, the only one that the worker was shown, and no later one."""
        context = self._context
        shown = plan.running if decision.target_run_id is None else (decision.target_run_id,)
        meant = [run for run in context.ledger.state.in_state(RunState.RUNNING) if shown is None or run.run_id in shown]
        target = meant[0] if meant and (shown is None or len(shown) == 1) else None
        if target is None:
            close(context, plan=plan, result="no_active_run")
            return
        if target.stop_reason is None:
            context.ledger.record("stop_requested", run_id=target.run_id, reason="stop_current_run")
        close(context, plan=plan, result="stop_current_run", reason=f"{target.run_id} {target.label}")
