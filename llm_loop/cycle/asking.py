"""Ask worker and mentor: start a call, wait for it, and journal what it came to, good or bad."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

from llm_loop.agents import breaker
from llm_loop.agents.agent import CODEX, CallOutcome, read_outcome
from llm_loop.agents.codex_failures import TABLE, Scope
from llm_loop.contract.call_report import CallFailure, FailureCause
from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.decision import Decision
from llm_loop.contract.observation import Role
from llm_loop.contract.review import Review
from llm_loop.contract.run import RunState
from llm_loop.cycle.call_records import call_record, of_cycle, proposal_record
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.judging import Judge
from llm_loop.errors import CommandError, ConfigError, ContractError, FileWriteError
from llm_loop.memory.outages import next_failures, told_out
from llm_loop.memory.reviews import ReviewHistory
from llm_loop.memory.state import Plan
from llm_loop.stages.observe import observe
from llm_loop.stages.review import review_record, rule, with_verdict
from llm_loop.system.clock import utc_text
from llm_loop.system.processes import Ending

_FORGET_EVERY_CALLS = 20


class Asking:
    """Make one call at a time for the open cycle."""

    def __init__(self, context: Context, code_jobs: CodeJobs, judge: Judge) -> None:
        self._context = context
        self._code_jobs = code_jobs
        self._judge = judge
        self._read: tuple[str, Ending, CallOutcome] | None = None

    def ask(self, plan: Plan, role: Role, agent_name: str, now_s: float) -> None:
        """Start a call; one that cannot be started is journaled as one without an answer."""
        context = self._context
        if agent_name == CODEX:
            if role is Role.MENTOR and (rest := context.codex.resting(role)) is not None:
                self._leave_unreviewed(plan, f"Codex rests: {rest.sentence}")
                return
            if not context.codex.is_set_up(now_s):  # the sandboxes are being tried; a few seconds, once
                return
        state = context.ledger.state
        call_id = f"{plan.cycle_trace_id}-{role.value}-{state.calls_made + 1}"
        step = "decide" if role is Role.WORKER else "review"
        intent: dict[str, Any] = {"call_id": call_id, "role": role.value, "step": step, "agent": agent_name}
        intent["running"] = [run.run_id for run in state.in_state(RunState.RUNNING)]
        context.ledger.record("call_intended", cycle_trace_id=plan.cycle_trace_id, **intent)
        asked = context.ledger.state.plan
        assert asked is not None
        try:
            self._start(asked, role, agent_name, call_id)
        except (CommandError, ConfigError, FileWriteError) as error:
            outcome = None
            if agent_name == CODEX and isinstance(error, CommandError):
                outcome = CallOutcome(report=context.codex.missing_binary(str(error)))
            self._take_nothing(asked, [str(error)], None, outcome)
        else:
            if state.calls_made % _FORGET_EVERY_CALLS == 0:
                context.calls.forget_old(context.paths.calls)

    def _start(self, plan: Plan, role: Role, agent_name: str, call_id: str) -> None:
        context = self._context
        folder = context.paths.call(call_id)
        observation = observe(
            role,
            plan,
            context.ledger.state,
            context.memory.comparable_rows(),
            context.memory.open_todos(),
            context.config,
            paths=context.paths,
            index=context.memory.index,
            streaks=context.ledger.state.streaks,
            new_results_since_challenge=_new_results(context.ledger.state.reviews),
            proposal_code=_diff_of(plan) if role is Role.MENTOR else None,
            finish_up=context.last_hour.told,
        )
        context.calls.prepare(context.agent(agent_name, role, plan, call_id), folder, observation)
        context.calls.start(folder, call_id)

    def await_call(self, plan: Plan, now_s: float) -> None:
        """Take the answer of the call in flight when it is there, with the code that it changes."""
        assert plan.call_id is not None
        folder = self._context.paths.call(plan.call_id)
        if self._read is None or self._read[0] != plan.call_id:  # once: its code may take some ticks to be made
            ending = self._context.calls.poll(folder, now_s)
            if ending is None:
                return
            self._read = plan.call_id, ending, read_outcome(plan.agent, folder, ending)
        _, ending, outcome = self._read
        if outcome.why:
            self._take_nothing(plan, list(outcome.why), ending, outcome)
            return
        try:
            if plan.step == "review":
                self._take_review(plan, Review.from_json(outcome.answer, "the mentor's review"), ending, outcome, now_s)
            else:
                decision = Decision.from_json(outcome.answer, "the worker's decision")
                self._take_decision(plan, decision, ending, outcome, now_s)
        except ContractError as error:
            self._take_nothing(plan, error.violations, ending, outcome)
        except ConfigError as error:  # no policy to judge by, and there never was a good one: not the agent's failure
            self._take_nothing(plan, [str(error)], ending, outcome, is_agents_failure=False)

    # ------------------------------------------------------------ what came of it

    def _take_decision(
        self, plan: Plan, decision: Decision, ending: Ending, outcome: CallOutcome, now_s: float
    ) -> None:
        code: CodeChange | None = None
        if outcome.report is not None and outcome.report.code is not None:
            code = outcome.report.code
        elif self._code_jobs.wanted(decision, None):
            answer = self._code_jobs.change(decision, None, str(plan.call_id), now_s)
            if answer is None:
                return
            if answer.why is not None:
                self._take_nothing(plan, [answer.why], ending, outcome, is_agents_failure=False)
                return
            code = answer.change
        record = proposal_record(
            plan.agent,
            "primary",
            decision,
            verdict=self._judge.judge(decision, code),
            code=code,
            report=outcome.report,
        )
        call = call_record(plan, ending, outcome, None, self._context.codex.model(Role.WORKER))
        self._journal(plan, "proposal", record=record, call=call)

    def _take_review(self, plan: Plan, review: Review, ending: Ending, outcome: CallOutcome, now_s: float) -> None:
        context, state = self._context, self._context.ledger.state
        report = outcome.report
        ruling = rule(
            review,
            state.reviews,
            context.config,
            used_web_search=report is not None and report.used_web_search,
        )
        record = review_record(review, plan.review_reasons, plan.agent, context.config, ruling=ruling, call=report)
        suggestion = None
        if ruling.may_replace and review.suggested_decision is not None:
            judged = self._judge_suggestion(plan, review.suggested_decision, now_s)
            if judged is None:
                return
            suggestion = judged
            record = with_verdict(record, suggestion["accepted"])
        call = call_record(plan, ending, outcome, None, context.codex.model(Role.MENTOR))
        self._journal(plan, "review", record=record, suggestion=suggestion, call=call)

    def _judge_suggestion(self, plan: Plan, suggested: Decision, now_s: float) -> dict[str, Any] | None:
        """Return the record of the mentor's replacement, in a checkout of the worker's base; None while it is made."""
        code: CodeChange | None = None
        proposer = f"{plan.agent} mentor"
        base = _base_of(plan)
        if self._code_jobs.wanted(suggested, base):
            answer = self._code_jobs.change(suggested, base, str(plan.call_id), now_s)
            if answer is None:
                return None
            if answer.why is not None:
                return proposal_record(proposer, "mentor_suggested", None, unusable=[answer.why])
            code = answer.change
        verdict = self._judge.judge(suggested, code)
        return proposal_record(proposer, "mentor_suggested", suggested, verdict=verdict, code=code)

    def _take_nothing(
        self,
        plan: Plan,
        why: list[str],
        ending: Ending | None,
        outcome: CallOutcome | None,
        *,
        is_agents_failure: bool = True,
    ) -> None:
        role = Role.MENTOR if plan.step == "review" else Role.WORKER
        blamed = why if is_agents_failure else None
        call = call_record(plan, ending, outcome, blamed, self._context.codex.model(role))
        if plan.step == "review":
            record = review_record(None, plan.review_reasons, plan.agent, self._context.config)
            record |= {"error": "; ".join(why)}
            self._journal(plan, "review", record=record, suggestion=None, call=call)
        else:
            record = proposal_record(plan.agent, "primary", None, unusable=why)
            self._journal(plan, "proposal", record=record, call=call)

    def _leave_unreviewed(self, plan: Plan, why: str) -> None:
        record = review_record(None, plan.review_reasons, CODEX, self._context.config) | {"error": why}
        self._context.ledger.record("review", **of_cycle(plan), record=record, suggestion=None, call=None)

    # ------------------------------------------------------------ whether Codex can be asked again, and when

    def _journal(self, plan: Plan, kind: str, *, call: dict[str, Any], **fields: Any) -> None:
        """Journal an answer or its absence, and what follows for the next calls of Codex."""
        context = self._context
        role = Role.MENTOR if plan.step == "review" else Role.WORKER
        was_out = plan.agent == CODEX and told_out(context.ledger.state.agent_use.outages, CODEX, role.value)
        context.ledger.record(kind, **of_cycle(plan), **fields, call=call)
        if plan.agent != CODEX:
            return
        report = call["report"]
        if report is not None and report["sandbox_is_broken"]:
            context.codex.distrust_sandbox()
        failure = call.get("failure")
        if failure is not None:
            cause = FailureCause(failure["cause"])
            self._rest(role, CallFailure(**{**failure, "cause": cause}))
        elif was_out and call["cause"] is not None:
            context.ledger.record("agent_back", agent=CODEX, role=role.value)

    def _rest(self, role: Role, failure: CallFailure) -> None:
        """Journal how long Codex rests after a failure; one that we wished for counts for nothing."""
        if failure.cause is FailureCause.STOPPED:
            return
        context = self._context
        row = TABLE[failure.cause]
        key = None if row.scope is Scope.ACCOUNT else role.value
        failures = next_failures(context.ledger.state.agent_use.outages, CODEX, key)
        drawn = breaker.rest_after(row, failures, retry_after_s=failure.retry_after_s, draw=random.random)
        wait_s = min(drawn.wait_s, context.config.codex_longest_rest_seconds)
        context.ledger.record(
            "agent_out",
            agent=CODEX,
            role=key,
            cause=failure.cause.value,
            wait_s=wait_s,
            until_utc=_later_utc(context, wait_s),
            message=failure.message,
            failures=failures,
            tell=row.tell.value,
            sentence=row.sentence,
        )


def _later_utc(context: Context, seconds: float) -> str:
    """Return the moment in so many seconds, rounded up to a whole one: a rest is not over before its end."""
    return utc_text(context.clock.utc_now() + timedelta(seconds=math.ceil(seconds) + 1))


def _new_results(reviews: ReviewHistory) -> int | None:
    """Return how many runs have ended since the mentor's last challenge; None when it never challenged."""
    seen = reviews.seen_at_challenge
    return None if seen < 0 else reviews.runs_ended - seen


def _diff_of(plan: Plan) -> str | None:
    code = None if plan.accepted is None else plan.accepted.get("code")
    return None if code is None else str(code["diff"]) or None


def _base_of(plan: Plan) -> dict[str, Any] | None:
    """Return the base of the worker's checkout, in JSON form; None when it had none."""
    code = None if plan.accepted is None else plan.accepted.get("code")
    base: dict[str, Any] | None = None if code is None else code["base"]
    return base
