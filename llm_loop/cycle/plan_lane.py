"""The plan lane: observe, decide, review, gate, prepare; one call at a time, one decision a cycle.

What comes next follows from the state alone, so a daemon that was killed anywhere goes on where it
was: a call in flight is adopted, an answer that was paid for and not journaled yet is read again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace

from llm_loop.agents.agent import BUILTIN, CODEX, COMMAND
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.observation import Role
from llm_loop.contract.procedure import ModelRepair
from llm_loop.contract.run import PERSON, Approval, RunState
from llm_loop.contract.stop_reasons import BY_WORKER
from llm_loop.cycle.asking import Asking
from llm_loop.cycle.call_records import of_cycle
from llm_loop.cycle.calls_for_people import MOST_HELD, call_for_approval, planner_fills_in
from llm_loop.cycle.closing import close
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.codex_desk import Rest
from llm_loop.cycle.context import Context
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.cycle.staging import run_of, stage
from llm_loop.cycle.waking import Wake
from llm_loop.memory.queue import held_runs
from llm_loop.memory.state import Plan
from llm_loop.stages.review import Standing, review_due
from llm_loop.system import files

ASKS_EACH = 2
LONGEST_WAIT_S = 900.0


class PlanLane:
    """Turn free slots into staged decisions."""

    def __init__(self, context: Context, code_jobs: CodeJobs, judge: Judge, slots: RunSlots) -> None:
        self._context = context
        self._slots = slots
        self._code_jobs = code_jobs
        self._asking = Asking(context, code_jobs, judge)
        self._wait_until_s = 0.0
        self._rests_while_busy = False

    def wake(self) -> None:
        """End a wait: something happened that a decision may want to know."""
        self._wait_until_s, self._rests_while_busy = 0.0, False

    def advance(self, now_s: float, wakes: Sequence[Wake] = ()) -> None:
        """Take the next step of the open cycle, or open one when a decision is wanted.

        ``wakes`` are reasons to ask the worker although each slot has its next decision.
        """
        call_for_approval(self._context.ledger, self._context.config)
        plan = self._context.ledger.state.plan
        if plan is None:
            if self._wants_decision(now_s):
                self._open(now_s)
            elif wakes and self._may_be_woken():
                self._open(now_s, wakes)
            elif (run_id := self._run_to_mend()) is not None:
                self._open(now_s, repairs=run_id)
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
        if now_s < self._wait_until_s or not self._may_open() or (self._rests_while_busy and self._slots_are_busy()):
            return False
        slots = context.config.max_parallel_runs
        held = held_runs(state.runs.values(), context.config.requires_approval)
        staged = [run for run in state.in_state(RunState.STAGED) if run not in held]
        busy = len(state.in_state(RunState.RUNNING, RunState.QUEUED, RunState.REPAIRING, RunState.INTERRUPTED))
        if self._agent_to_ask(now_s) is None:
            return False
        if context.last_hour.is_search_over:
            return True  # what else waits or is mended keeps no final round from its slot: it is not launched now
        if len(held) >= MOST_HELD and not planner_fills_in(context.config):
            return False
        if not context.config.plan_ahead:
            return len(staged) + busy < slots
        ready = sum(not any(base in state.runs for base in run.builds_on) for run in staged)
        starves = busy + ready < slots and len(staged) < 2 * slots  # what is staged waits for runs that still train
        return len(staged) < slots or starves

    def _agent_to_ask(self, now_s: float) -> str | None:
        """Return who decides next: one whose runs keep failing is held back for a while; None when all are."""
        agents = [self._context.first_agent(Role.WORKER)]
        if self._context.config.fallback_planner and BUILTIN not in agents:
            rest = self._context.codex.resting(Role.WORKER) if agents[0] == CODEX else None
            agents = [BUILTIN] if rest is not None and not self._can_await(rest) else [*agents, BUILTIN]
        return next((agent for agent in agents if self._slots.pauses.rests(agent, now_s) is None), None)

    def _may_open(self) -> bool:
        context = self._context
        ended = context.last_cycle is not None and context.ledger.state.cycle >= context.last_cycle
        if context.last_hour.is_search_over:
            return context.accepts_cycles and context.last_hour.wants_round
        return context.accepts_cycles and not ended

    def _may_be_woken(self) -> bool:
        """Tell whether a worker is there to be woken: the built-in planner looks at ended runs alone."""
        context = self._context
        agent = context.first_agent(Role.WORKER)
        if (
            context.last_hour.is_search_over
            or agent == BUILTIN
            or (agent == CODEX and context.codex.resting(Role.WORKER) is not None)
        ):
            return False
        return self._may_open() and bool(context.ledger.state.in_state(RunState.RUNNING))

    def _run_to_mend(self) -> str | None:
        """Return the run that an agent shall mend: the slots have their next decisions."""
        runs = self._context.ledger.state.in_state(RunState.REPAIRING)
        troubles = ((run.run_id, run.procedure.trouble) for run in runs)
        wanted = (run_id for run_id, one in troubles if one is not None and one.model is ModelRepair.WANTED)
        return next(wanted, None) if self._context.can_mend() else None

    def _open(self, now_s: float, wakes: Sequence[Wake] = (), repairs: str | None = None) -> None:
        number = self._context.ledger.state.cycle + 1
        trace_id = f"C{number:04d}-{secrets.token_hex(4)}"
        first = self._context.first_agent(Role.WORKER)
        is_aside = bool(wakes) or repairs is not None
        agent = first if is_aside else self._agent_to_ask(now_s) or first
        held = held_runs(self._context.ledger.state.runs.values(), self._context.config.requires_approval)
        if len(held) >= MOST_HELD and not is_aside:
            agent = BUILTIN
        rest = self._context.codex.resting(Role.WORKER) if agent == CODEX and repairs is None else None
        if rest is not None and self._context.config.fallback_planner and not self._can_await(rest):
            agent = BUILTIN
        woken_by = [asdict(wake) for wake in wakes]
        self._context.ledger.record(
            "cycle_opened", cycle=number, cycle_trace_id=trace_id, agent=agent, woken_by=woken_by, repairs=repairs
        )

    def _ask_worker(self, plan: Plan, now_s: float) -> None:
        """Ask the same agent once more, then the built-in planner, then nobody.

        Codex is waited for while a run trains, when what keeps it away is over soon; a free slot waits for nobody.
        """
        config = self._context.config
        rest = self._context.codex.resting(Role.WORKER) if plan.agent == CODEX else None
        if plan.agent != BUILTIN and not self._context.last_hour.may_ask_models:
            self._asking.ask(plan, Role.WORKER, BUILTIN, now_s)
        elif (
            plan.agent == COMMAND and plan.repairs is None and config.worker_command is None
        ):  # taken out of the configuration meanwhile
            self._asking.ask(plan, Role.WORKER, BUILTIN, now_s)
        elif plan.asks < ASKS_EACH and rest is None:
            self._asking.ask(plan, Role.WORKER, plan.agent, now_s)
        elif plan.asks < ASKS_EACH and rest is not None and self._can_await(rest):
            return
        elif self._may_fall_back(plan, now_s):
            self._asking.ask(plan, Role.WORKER, BUILTIN, now_s)
        else:
            why = "every proposal was refused or unusable" if rest is None else f"Codex rests: {rest.sentence}"
            self._wait(plan, why, now_s)

    def _may_fall_back(self, plan: Plan, now_s: float) -> bool:
        is_there = self._context.config.fallback_planner and self._slots.pauses.rests(BUILTIN, now_s) is None
        return is_there and plan.agent != BUILTIN and not plan.is_aside

    def _can_await(self, rest: Rest) -> bool:
        return rest.is_short and self._slots_are_busy()

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
                self._rests_while_busy = not plan.is_aside  # it wants nothing before something happens
                self._wait(plan, decision.rationale, now_s)
            case Action.STOP_CURRENT_RUN:
                self._stop_run(plan, decision, now_s)
            case Action.SHUTDOWN_DAEMON:
                self._shut_down(plan, decision, now_s)

    def _review_reasons(self, plan: Plan) -> list[str]:
        context, state = self._context, self._context.ledger.state
        if plan.repairs is not None or not context.last_hour.may_ask_models:
            return []
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
        replaceable = (run for run in state.in_state(RunState.STAGED) if run.proposer != PERSON)
        staged = [run for run in replaceable if run.approval is not Approval.APPROVED]  # a person's word stands
        if plan.woken_by and staged and not plan.has_replaced:
            self._slots.drop_staged_run(staged[-1].run_id)
            state = context.ledger.state
        run = run_of(
            context,
            plan.accepted,
            of_cycle=of_cycle(plan),
            proposals=plan.proposals,
            review=plan.review,
            use=state.agent_use.cycle,
            code=placed.code,
        )
        stage(context, replace(run, repair_of=plan.repairs))

    def _wait(self, plan: Plan, reason: str, now_s: float) -> None:
        if self._context.last_hour.is_search_over:
            self._context.ledger.record("finish_up_no_more_rounds", why=f"{plan.agent} trains no more: {reason}")
        self._pause(plan, now_s)
        close(self._context, plan=plan, result="wait", reason=reason)

    def _pause(self, plan: Plan, now_s: float) -> None:
        """Ask nobody for a while after a cycle that came to nothing, longer each time."""
        state, config = self._context.ledger.state, self._context.config
        if not plan.is_aside:
            doubled = config.daemon_poll_seconds * 2.0 ** min(state.waits_in_a_row, 10)
            self._wait_until_s = now_s + min(doubled, LONGEST_WAIT_S)

    def _shut_down(self, plan: Plan, decision: Decision, now_s: float) -> None:
        """End the loop as the worker wishes; where a finish-up is wished, that comes first, at once."""
        context = self._context
        if context.last_hour.is_search_over:
            self._wait(plan, decision.rationale, now_s)
            return
        if context.last_hour.told is None:
            files.replace_text(context.paths.stop_daemon, "")
        else:
            context.search_over = "the worker says that the work is done"
            self._pause(plan, now_s)
        close(context, plan=plan, result="daemon_stop_requested")

    def _stop_run(self, plan: Plan, decision: Decision, now_s: float) -> None:
        """Stop the run that is meant: where none is named, the only one that the worker was shown, and no later one."""
        context = self._context
        shown = plan.running if decision.target_run_id is None else (decision.target_run_id,)
        meant = [run for run in context.ledger.state.in_state(RunState.RUNNING) if shown is None or run.run_id in shown]
        target = meant[0] if meant and (shown is None or len(shown) == 1) else None
        if target is None:
            self._pause(plan, now_s)
            close(context, plan=plan, result="no_active_run")
            return
        if target.stop_reason is None:
            context.ledger.record("stop_requested", run_id=target.run_id, reason=BY_WORKER)
        else:
            self._pause(plan, now_s)  # it is ending already: to ask again at once, until it has, pays for nothing
        close(context, plan=plan, result="stop_current_run", reason=f"{target.run_id} {target.label}")
