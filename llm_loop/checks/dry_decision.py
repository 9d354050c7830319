"""One decision asked for and thrown away: whether the whole way of a call works, the answer at the door included."""

from __future__ import annotations

from collections.abc import Callable

from llm_loop.checks.check import Check, notice, ok, problem
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError, WorkspaceBusyError
from llm_loop.system.instance_lock import InstanceLock

Decide = Callable[[], str]
"""Ask for one decision, as the daemon would, and say in a sentence who decided what; it is not journaled, nothing is
launched. Raises LoopError that says why there is none."""


def try_decision(paths: WorkspacePaths, decide: Decide) -> Check:
    """Ask for one decision while no daemon holds the workspace; the lock is held meanwhile, so that none starts."""
    try:
        with InstanceLock(paths.instance_lock, patience_s=0.0):
            return ok("decision", decide())
    except WorkspaceBusyError:
        return notice("decision", "not tried: a daemon holds the workspace, and its own calls show how it stands")
    except LoopError as error:
        return problem("decision", f"none came: {error}", "mend what the lines above say, then try again")
