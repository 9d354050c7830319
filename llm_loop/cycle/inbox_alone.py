"""Answer requests without a daemon: a verb that holds the instance lock does what the daemon would."""

from __future__ import annotations

from collections.abc import Mapping

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.calls_for_people import call_for_approval
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.inbox import Inbox
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.opening import open_context, tell_damage
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.system.clock import Clock
from llm_loop.system.processes import Keepers

_LOOK_S = 0.02


def answer_alone(
    paths: WorkspacePaths, config: Config, environ: Mapping[str, str], clock: Clock, request_id: str, patience_s: float
) -> None:
    """Answer what lies in the inbox until ``request_id`` is answered, or ``patience_s`` seconds are over.

    Nothing is launched: runs are staged for the next start, waiting ones that were cancelled are ended, and one that
    still trains is asked to end. The caller holds the instance lock. Raises LoopError.
    """
    keepers = Keepers()
    context = open_context(paths, config, environ, clock, keepers)
    tell_damage(context)
    code_jobs = CodeJobs(context)
    inbox, slots = Inbox(context, code_jobs, Judge(context)), RunSlots(context, code_jobs)
    give_up_s = clock.monotonic() + patience_s
    try:
        while request_id not in context.ledger.state.queue.answered and (now_s := clock.monotonic()) < give_up_s:
            if not inbox.tick(now_s):
                clock.sleep(_LOOK_S)
            code_jobs.forget_unasked(now_s)
            keepers.reap()
        slots.end_withdrawn()
        slots.ask_withdrawn_to_end()
        call_for_approval(context.ledger, context.config)
    finally:
        context.jobs.end_all()
        keepers.reap()
        context.ledger.save()
