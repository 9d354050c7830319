"""Tell what broke with a folder that trainings need from what broke by itself.

A drive that goes away breaks whatever begins or runs on it, and that may be before the loop sees it away.
"""

from __future__ import annotations

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.procedure import Trouble
from llm_loop.contract.run import Run
from llm_loop.cycle.context import Context


class Absence:
    """Have the folders looked at once more after each failure that they may have caused."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[str, tuple[int, float]] = {}

    def behind(self, run: Run, trouble: Trouble, now_s: float) -> list[str] | None:
        """Return the keys of the folders that were away as a run broke or just after; None while that is not known."""
        if not _may_be_of_a_folder(run, trouble):
            return []
        number = len(run.attempts) + sum(one.number for one in run.procedure.steps)
        if self._since.get(run.run_id, (None, 0.0))[0] != number:
            self._since[run.run_id] = (number, now_s)
        return self._context.places.away_since(self._since[run.run_id][1])


def _may_be_of_a_folder(run: Run, trouble: Trouble) -> bool:
    diagnosis = trouble.diagnosis
    if diagnosis is None or trouble.model is not None or run.stop_reason is not None:
        return False
    return diagnosis.cause is Cause.UNKNOWN or not diagnosis.is_failure_of_idea
