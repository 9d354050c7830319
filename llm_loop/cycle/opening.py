"""Open a workspace for writing: everything that a daemon, or a verb in its place, works with."""

from __future__ import annotations

from collections.abc import Mapping

from llm_loop.agents.agent import Calls
from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.checkout_releases import CheckoutReleases
from llm_loop.cycle.context import Context
from llm_loop.cycle.ledger import Ledger
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.system.clock import Clock
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Keepers


def open_context(
    paths: WorkspacePaths, config: Config, environ: Mapping[str, str], clock: Clock, keepers: Keepers
) -> Context:
    """Return the context of a workspace, whose instance lock the caller holds.

    Raises FileWriteError, CorruptFileError.
    """
    memory = Memory(paths, clock, config)
    context = Context(
        paths=paths,
        config=config,
        clock=clock,
        ledger=Ledger(paths, clock, memory.remember, memory.learn, CheckoutReleases(paths.checkouts).follow),
        memory=memory,
        engine=LocalEngine(keepers),
        calls=Calls(keepers, paths.root),
        jobs=Jobs(keepers, paths.jobs),
        environment=environ,
    )
    context.ledger.use(config)
    return context


def tell_damage(context: Context) -> None:
    """Journal what of the history could not be read at the opening. Raises FileWriteError."""
    for damage in context.memory.damaged:
        context.ledger.record("history_damaged", why=str(damage))
    for name in context.memory.torn:
        context.ledger.record("repaired", what=f"the last line of {name} was torn", set_aside=f"{name}.torn-*")
