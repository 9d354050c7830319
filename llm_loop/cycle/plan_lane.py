"""The plan lane: observe, decide, review, gate, prepare; one call at a time, one decision a cycle.

What comes next follows from the state alone, so a daemon that was killed anywhere goes on where it
was: a call in flight is adopted, an answer that was read is not asked for again.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_loop.agents.agent import BUILTIN, read_answer
from llm_loop.contract.command_policy import CommandPolicy
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.observation import Role
from llm_loop.contract.review import Review
from llm_loop.contract.run import RunState
from llm_loop.cycle.closing import close
from llm_loop.cycle.context import Context
from llm_loop.errors import CommandError, ConfigError, ContractError, FileWriteError
from llm_loop.memory.state import Plan
from llm_loop.runs.command import choose_shell
from llm_loop.stages import gate
from llm_loop.stages.observe import observe
from llm_loop.stages.prepare import prepare
from llm_loop.stages.review import due_reasons, review_record, wants_replacement
from llm_loop.system import files
from llm_loop.system.processes import Ending

ASKS_EACH = 2
LONGEST_WAIT_S = 900.0


class PlanLane:
    """Turn free slots into staged decisions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wait_until_s = 0.0
        self._last_policy: CommandPolicy | None = None
        self._refused_policy: object = ()

    def wake(self) -> None:
        """End a wait: something happened that a decision may want to know."""
        self._wait_until_s = 0.0

    def advance(self, now_s: float) -> None:
        """Take the next step of the open cycle, or open one when a decision is wanted."""
        plan = self._context.ledger.state.plan
        if plan is None:
            if self._wants_decision(now_s):
                self._open()
        elif plan.call_id is not None:
            self._await_call(plan, now_s)
        elif plan.step == "review" and plan.review is None:
            self._ask(plan, Role.MENTOR, self._context.first_agent(Role.MENTOR))
        elif plan.accepted is not None:
            self._review_or_act(plan, now_s)
        elif (agent := self._next_agent(plan)) is not None:
            self._ask(plan, Role.WORKER, agent)
        else:
            self._wait(plan, "every proposal was refused or unusable", now_s)

    def _wants_decision(self, now_s: float) -> bool:
        context, state = self._context, self._context.ledger.state
        if not context.accepts_cycles or now_s < self._wait_until_s:
            return False
        if context.last_cycle is not None and state.cycle >= context.last_cycle:
            return False
        slots = context.config.max_parallel_runs
        staged = len(state.in_state(RunState.STAGED))
        busy = len(state.in_state(RunState.RUNNING, RunState.QUEUED, RunState.INTERRUPTED))
        return staged < slots if context.config.plan_ahead else staged + busy < slots

    def _open(self) -> None:
        number = self._context.ledger.state.cycle + 1
        trace_id = f"C{number:04d}-{secrets.token_hex(4)}"
        agent = self._context.first_agent(Role.WORKER)
        self._context.ledger.record("cycle_opened", cycle=number, cycle_trace_id=trace_id, agent=agent)

    def _next_agent(self, plan: Plan) -> str | None:
        """Return who is asked next: the same once more, then the built-in planner, then nobody."""
        if plan.asks < ASKS_EACH:
            return plan.agent
        return BUILTIN if plan.agent != BUILTIN and self._context.config.fallback_planner else None

    # ------------------------------------------------------------ calls

    def _ask(self, plan: Plan, role: Role, agent_name: str) -> None:
        context = self._context
        state = context.ledger.state
        call_id = f"{plan.cycle_trace_id}-{role.value}-{state.calls_made + 1}"
        step = "decide" if role is Role.WORKER else "review"
        intent = {"call_id": call_id, "role": role.value, "step": step, "agent": agent_name}
        context.ledger.record("call_intended", cycle_trace_id=plan.cycle_trace_id, **intent)
        folder = context.paths.call(call_id)
        try:
            observation = observe(
                role, plan, state, context.memory.comparable_rows(), context.memory.open_todos(), context.config
            )
            context.calls.prepare(context.agent(agent_name, role), folder, observation)
            context.calls.start(folder, call_id)
        except (CommandError, ConfigError, FileWriteError) as error:
            asked = context.ledger.state.plan
            assert asked is not None
            self._take_no_answer(asked, [str(error)], None)
        else:
            if state.calls_made % 20 == 0:
                context.calls.forget_old(context.paths.calls)

    def _await_call(self, plan: Plan, now_s: float) -> None:
        assert plan.call_id is not None
        folder = self._context.paths.call(plan.call_id)
        ending = self._context.calls.poll(folder, now_s)
        if ending is None:
            return
        try:
            answer = read_answer(folder, ending)
            if plan.step == "review":
                self._take_review(plan, Review.from_json(answer, "the mentor's review"), ending)
            else:
                self._take_decision(plan, Decision.from_json(answer, "the worker's decision"), ending)
        except ContractError as error:
            self._take_no_answer(plan, error.violations, ending)
        except ConfigError as error:  # no policy to judge by, and there never was a good one
            self._take_no_answer(plan, [str(error)], ending)

    def _take_no_answer(self, plan: Plan, why: list[str], ending: Ending | None) -> None:
        ledger, config = self._context.ledger, self._context.config
        if plan.step == "review":
            record = review_record(None, plan.review_reasons, plan.agent, config) | {"error": "; ".join(why)}
            ledger.record("review", **_of(plan), record=record, suggestion=None, call=_call(plan, ending))
        else:
            record = _proposal_record(plan.agent, "primary", None, why, None)
            ledger.record("proposal", **_of(plan), record=record, call=_call(plan, ending))

    def _take_decision(self, plan: Plan, decision: Decision, ending: Ending) -> None:
        record = _proposal_record(plan.agent, "primary", decision, None, self._judge(decision))
        self._context.ledger.record("proposal", **_of(plan), record=record, call=_call(plan, ending))

    def _take_review(self, plan: Plan, review: Review, ending: Ending) -> None:
        context = self._context
        record = review_record(review, plan.review_reasons, plan.agent, context.config)
        suggestion = None
        if wants_replacement(review, context.config) and review.suggested_decision is not None:
            verdict = self._judge(review.suggested_decision)
            suggestion = _proposal_record(
                f"{plan.agent} mentor", "mentor_suggested", review.suggested_decision, None, verdict
            )
            record["applied"] = suggestion["accepted"]
        context.ledger.record("review", **_of(plan), record=record, suggestion=suggestion, call=_call(plan, ending))

    def _judge(self, decision: Decision) -> gate.Verdict:
        context, state = self._context, self._context.ledger.state
        active = state.in_state(RunState.RUNNING, RunState.QUEUED)
        return gate.judge(
            decision,
            gate.GateContext(
                workspace=context.paths.root,
                training_repo_root=context.config.training_repo_root,
                sealed_root=context.config.sealed_root,
                forbidden_approaches=context.config.forbidden_approaches,
                policy=self._policy(),
                shell=choose_shell(context.config.run_shell),
                known_run_ids=frozenset(state.runs) | context.memory.run_ids(),
                active_run_ids=tuple(run.run_id for run in active),
            ),
        )

    def _policy(self) -> CommandPolicy:
        """Return the command policy; a broken edit is an event, and the last good one stays. Raises ConfigError."""
        path = self._context.config.command_policy
        signature = files.signature(path)
        try:
            self._last_policy = _read_policy(path, signature)
        except ConfigError as error:
            if self._last_policy is None:
                raise
            if signature != self._refused_policy:
                self._refused_policy = signature
                self._context.ledger.record("config_refused", why=str(error), kept="the last good command policy")
        return self._last_policy

    # ------------------------------------------------------------ acts

    def _review_or_act(self, plan: Plan, now_s: float) -> None:
        context = self._context
        if plan.review is None:
            state = context.ledger.state
            reasons = due_reasons(
                plan.cycle, context.memory.runs_without_gain(), state.cycles_since_review, context.config
            )
            if reasons:
                context.ledger.record("review_due", **_of(plan), reasons=list(reasons))
                return
        assert plan.accepted is not None
        decision = Decision.from_json(plan.accepted["decision"])
        match decision.action:
            case Action.RUN_COMMAND:
                self._stage(plan, decision)
            case Action.WAIT:
                self._wait(plan, decision.rationale, now_s)
            case Action.STOP_CURRENT_RUN:
                self._stop_run(plan, decision)
            case Action.SHUTDOWN_DAEMON:
                files.replace_text(context.paths.stop_daemon, "")
                close(context, plan=plan, result="daemon_stop_requested")

    def _stage(self, plan: Plan, decision: Decision) -> None:
        context, state = self._context, self._context.ledger.state
        assert plan.accepted is not None
        record = {
            "proposals": list(plan.proposals),
            "review": plan.review,
            "decision_source": plan.accepted["source"],
            "quality_gate": plan.accepted["quality_gate"],
        }
        open_labels = {run.label for run in state.runs.values()}
        run = prepare(
            decision,
            run_number=self._next_run_number(),
            cycle=plan.cycle,
            cycle_trace_id=plan.cycle_trace_id,
            proposer=plan.accepted["proposer"],
            label_is_taken=lambda label: label in open_labels or context.memory.label_is_taken(label),
            config=context.config,
            cycle_record=record,
        )
        is_bootstrap = decision.run_label == context.config.bootstrap_label
        context.ledger.record("run_staged", **_of(plan), run=run.to_json(), bootstrap=is_bootstrap)

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
        doubled = context.config.daemon_poll_seconds * 2.0 ** min(context.ledger.state.waits_in_a_row, 10)
        self._wait_until_s = now_s + min(doubled, LONGEST_WAIT_S)
        close(context, plan=plan, result="wait", reason=reason)

    def _stop_run(self, plan: Plan, decision: Decision) -> None:
        context = self._context
        running = context.ledger.state.in_state(RunState.RUNNING)
        target = next((run for run in running if decision.target_run_id in (None, run.run_id)), None)
        if target is None:
            close(context, plan=plan, result="no_active_run")
            return
        context.ledger.record("stop_requested", run_id=target.run_id, reason="stop_current_run")
        close(context, plan=plan, result="stop_current_run", reason=f"{target.run_id} {target.label}")


@lru_cache(maxsize=2)
def _read_policy(path: Path, signature: tuple[int, int] | None) -> CommandPolicy:
    """Read the command policy once for as long as its file stands as it is. Raises ConfigError."""
    return gate.load_policy(path)


def _of(plan: Plan) -> dict[str, Any]:
    return {"cycle": plan.cycle, "cycle_trace_id": plan.cycle_trace_id}


def _call(plan: Plan, ending: Ending | None) -> dict[str, Any]:
    return {
        "call_id": plan.call_id,
        "agent": plan.agent,
        "cause": None if ending is None else ending.cause.value,
        "exit_code": None if ending is None else ending.exit_code,
        "duration_s": None if ending is None else ending.duration_s,
    }


def _proposal_record(
    proposer: str, source: str, decision: Decision | None, unusable: list[str] | None, verdict: gate.Verdict | None
) -> dict[str, Any]:
    """Return what history keeps of a proposal: the decision as made, and its verdict."""
    judged = (
        {"source": source, "blocked": False, "issues": [], "details": []}
        if verdict is None
        else verdict.to_json() | {"source": source}
    )
    return {
        "proposer": proposer,
        "source": source,
        "decision": None if decision is None else decision.to_json(),
        "unusable": unusable,
        "quality_gate": judged,
        "accepted": decision is not None and not judged["blocked"],
    }
