"""Ask runs to end, and journal why: before it where that can be, afterwards on a full disk."""

from __future__ import annotations

from llm_loop.contract.run import Run, RunState
from llm_loop.contract.stop_reasons import SHUTDOWN
from llm_loop.cycle.context import Context
from llm_loop.errors import FileWriteError
from llm_loop.memory.queue import is_withdrawn


class StopRequests:
    """Hold the requests whose reason could not be journaled yet."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._untold: dict[str, str] = {}

    def request(self, run: Run, reason: str) -> None:
        """Ask a run to end politely; the request is journaled first, and each call repeats it until it lies there.

        Where the journal refuses, on a full disk, the run is asked all the same, and the reason journaled later. Not
        so when the machine shuts down: such a run is resumed, and without its reason it would count as cancelled.
        Raises FileWriteError where it could neither be journaled nor asked; what is journaled is asked for at each look
        at the run, and a folder that refuses holds up nobody else.
        """
        is_told = run.stop_reason is not None
        if not is_told and run.run_id not in self._untold:
            try:
                self._context.ledger.record("stop_requested", run_id=run.run_id, reason=reason)
                is_told = True
            except FileWriteError:
                if reason == SHUTDOWN:
                    raise
        try:
            self._ask(run)
        except FileWriteError:
            if not is_told:
                raise
            return
        if not is_told:
            self._untold.setdefault(run.run_id, reason)

    def tell(self) -> None:
        """Journal why runs were asked to end while the journal could not be written. Raises FileWriteError."""
        for run_id, reason in list(self._untold.items()):
            run = self._context.ledger.state.runs.get(run_id)
            if run is not None and run.state is RunState.RUNNING and run.stop_reason is None:
                self._context.ledger.record("stop_requested", run_id=run_id, reason=reason)
            del self._untold[run_id]

    def ask_withdrawn(self) -> None:
        """Ask the running runs that a person has cancelled to end. Raises FileWriteError."""
        for run in self._context.ledger.state.in_state(RunState.RUNNING):
            if is_withdrawn(run):
                self._ask(run)

    def _ask(self, run: Run) -> None:
        self._context.engine.request_stop(self._context.paths.attempt(run.run_id, run.last_attempt.number))
