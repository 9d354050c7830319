"""One decision asked for as the daemon would, and thrown away: nothing is journaled, nothing launched."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from llm_loop.agents.agent import CODEX, Calls, read_outcome
from llm_loop.config import Config
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.observation import Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.context import Context
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.ledger import Ledger
from llm_loop.errors import ContractError
from llm_loop.memory.state import Plan
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.stages.observe import observe
from llm_loop.system.clock import Clock
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Ending, Keepers

_LOOK_S = 0.1


def decide_once(paths: WorkspacePaths, config: Config, environ: Mapping[str, str], clock: Clock) -> str:
    """Ask the worker once and say in a sentence who decided what, and what the gate says of it.

    The caller holds the instance lock. The call leaves its folder in ``.llm_loop/calls`` to be looked at. Raises
    LoopError that says why there is no decision.
    """
    paths.loop.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dry_decision-", dir=paths.loop) as scratch:
        context = _context(paths, Path(scratch), config, environ, clock)
        context.codex.look(clock.monotonic())
        agent = context.first_agent(Role.WORKER)
        try:
            while agent == CODEX and not context.codex.is_set_up(clock.monotonic()):
                clock.sleep(_LOOK_S)
        finally:
            context.jobs.end_all()
        plan = Plan(cycle=1, cycle_trace_id="C0001-dry", agent=agent, call_id=f"dry-{secrets.token_hex(4)}-0")
        return _ask(context, plan)


def _context(paths: WorkspacePaths, scratch: Path, config: Config, environ: Mapping[str, str], clock: Clock) -> Context:
    """Return a daemon's context whose journal lies in a scratch folder."""
    keepers = Keepers()
    return Context(
        paths=paths,
        config=config,
        clock=clock,
        ledger=Ledger(WorkspacePaths(scratch), clock),
        memory=Memory(paths, clock, config),
        engine=LocalEngine(keepers),
        calls=Calls(keepers, paths.root),
        jobs=Jobs(keepers, paths.jobs),
        environment=environ,
    )


def _ask(context: Context, plan: Plan) -> str:
    assert plan.call_id is not None
    folder = context.paths.call(plan.call_id)
    memory = context.memory
    observation = observe(
        Role.WORKER,
        plan,
        context.ledger.state,
        memory.comparable_rows(),
        memory.open_todos(),
        context.config,
        paths=context.paths,
        index=memory.index,
    )
    context.calls.prepare(context.agent(plan.agent, Role.WORKER, plan, plan.call_id), folder, observation)
    context.calls.start(folder, plan.call_id)
    outcome = read_outcome(plan.agent, folder, _await(context, folder))
    if outcome.why:
        raise ContractError(f"the {plan.agent} worker", list(outcome.why))
    decision = Decision.from_json(outcome.answer, "the worker's decision")
    verdict = Judge(context).judge(decision, None if outcome.report is None else outcome.report.code)
    wanted = decision.action.value.replace("_", " ")
    label = f" {decision.run_label}" if decision.action is Action.RUN_COMMAND else ""
    why = ", ".join(dict.fromkeys(issue.code for issue in verdict.issues if issue.blocking))
    word = f"the gate would refuse it ({why})" if verdict.blocked else "the gate would let it pass"
    return f"the {plan.agent} worker wants to {wanted}{label}; {word}; {folder} holds the call"


def _await(context: Context, folder: Path) -> Ending:
    """Return how the call ended; one that a person breaks off is asked to end."""
    try:
        while (ending := context.calls.poll(folder, context.clock.monotonic())) is None:
            context.clock.sleep(_LOOK_S)
    except KeyboardInterrupt:
        context.calls.request_stop(folder)
        raise
    return ending
