"""Make the report, open the test rows once for the winner that it names, and make it again with what that gave.

The first report needs nothing but the files of the loop, and is there before anything that may fail is tried. What
keeps it from being written, such as a full disk, may go: it is tried again and again until a moment behind the
deadline, for a late report is better than none. A report that was asked for at once opens no test rows.
"""

from __future__ import annotations

import os
from typing import Any

from llm_loop.contract.final_test import FinalTestResult, write_final_test
from llm_loop.contract.finish_up import FinishUpWish
from llm_loop.cycle.context import Context
from llm_loop.cycle.finish_up.window import Window, seconds_of
from llm_loop.errors import ContractError
from llm_loop.memory.finish_up import FinishUpState
from llm_loop.runs.command import choose_shell
from llm_loop.stages.launch import training_python
from llm_loop.system.clock import utc_text
from llm_loop.system.jobs import JobOutcome

REPORT, TEST, REPORT_WITH_TEST = "report", "test", "report_with_test"
WRITTEN = "written"
_MODULES = {REPORT: "llm_loop.report.job", TEST: "llm_loop.final_test.job", REPORT_WITH_TEST: "llm_loop.report.job"}
_LEAST_S = 5.0
_JOB_BEYOND_S = 10.0
_LEAST_TO_TEST_S = 8.0
"""With less than this left of the window, the test rows would be opened for a score that does not come."""
_REPORT_TAKES_S = 45.0
"""What a report may take, however little is left of the window."""
_AGAIN_S = 5.0
_LATE_S = 15.0
"""For so long behind the deadline, or behind the beginning where that is later, a report is tried again.

With what the last try takes, it is what a daemon whose minutes are over waits for it.
"""


class Reporting:
    """Take the steps of the reporting, one job after another; each ends by a deadline."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._begun_s: float | None = None
        self._again_s = 0.0

    def has_test(self) -> bool:
        """Tell whether there are test rows to score: a foreign repository's, or those of the best run's data."""
        best = self._context.memory.best_row()
        is_sealed = best is not None and best.result is not None and best.result.sealed_hash is not None
        return is_sealed or self._context.config.test_command is not None

    def tick(self, wish: FinishUpWish, window: Window, now_s: float) -> bool:
        """Go on with the reporting; tell whether it is over. Raises FileWriteError."""
        state, left_s = self._context.ledger.state.finish_up, window.over_s - seconds_of(self._context.clock)
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        step = self._next_step(state, wish)
        if step is None:
            return True
        jobs, name = self._context.jobs, _job_name(step)
        if not jobs.is_open(name):
            if now_s < self._again_s:
                return False
            if step == TEST and (why_not := self._no_test(state, left_s)) is not None:
                self._tell(step, JobOutcome(why=why_not))
                return False
            self._open_job(step, state, wish, window)
        outcome = jobs.take(name, now_s)
        if outcome is None:
            return False
        may_try = left_s > -_LATE_S or now_s - self._begun_s < _LATE_S
        if step != TEST and outcome.answer is None and may_try:
            self._again_s = now_s + _AGAIN_S  # a full disk or a scanner may be gone by then
            return False
        self._tell(step, outcome)
        return False

    def let_go(self) -> None:
        """End the jobs of a finish-up that was taken back: their answers are none for the next one."""
        self._begun_s, self._again_s = None, 0.0
        for step in _MODULES:
            self._context.jobs.drop(_job_name(step))

    def _open_job(self, step: str, state: FinishUpState, wish: FinishUpWish, window: Window) -> None:
        now_s = seconds_of(self._context.clock)
        if step == TEST:
            budget_s = max(_LEAST_S, window.report_from_s - now_s)
            question, most_s = self._test(state, wish, budget_s), budget_s + _JOB_BEYOND_S
        else:
            question, most_s = self._report(wish), max(_REPORT_TAKES_S, window.over_s - now_s)
        self._context.jobs.open(_job_name(step), _MODULES[step], question, most_s)

    def _next_step(self, state: FinishUpState, wish: FinishUpWish) -> str | None:
        """Return what comes next: a report, the test, a report that has the test."""
        done = state.reports or {}
        if REPORT not in done:
            return REPORT
        if TEST not in done:
            return TEST if not wish.report_now and state.chosen is not None else None
        return REPORT_WITH_TEST if REPORT_WITH_TEST not in done and state.has_test_result else None

    def _no_test(self, state: FinishUpState, left_s: float) -> str | None:
        """Return why nothing can be scored on test rows, where that is known beforehand."""
        if self._context.config.test_command is None and (state.chosen or {}).get("sealed_hash") is None:
            return "the run names no sealed test rows, and no test_command is configured"
        return None if left_s >= _LEAST_TO_TEST_S else "no time was left for the test rows; they were not opened"

    def _tell(self, step: str, outcome: JobOutcome) -> None:
        """Journal what came of a step; a test result is written first. Raises FileWriteError."""
        answer = outcome.answer or {}
        said, chosen, has_result = (WRITTEN if outcome.answer is not None else str(outcome.why)), None, False
        if step == TEST and outcome.answer is not None:
            said, has_result = self._take_result(answer)
        elif step == REPORT:
            chosen = answer.get("chosen")
        self._context.ledger.record("finish_up_reported", step=step, outcome=said, chosen=chosen, has_result=has_result)

    def _take_result(self, answer: Any) -> tuple[str, bool]:
        """Write the test result; return a word on it, or why there is none, and whether there is one."""
        if answer.get("result") is None:
            spent = answer.get("opened_utc")
            return f"{answer.get('why')}" + (f" (the rows were opened for it at {spent})" if spent else ""), False
        try:
            result = FinalTestResult.from_json(answer["result"])
        except ContractError as error:
            return str(error), False
        write_final_test(self._context.paths.final_test_result, result)
        return f"{result.metric} {result.value:.6g}", True

    def _report(self, wish: FinishUpWish) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "workspace_root": str(self._context.paths.root),
            "top_k": wish.top_k,
            "note": wish.note,
        }

    def _test(self, state: FinishUpState, wish: FinishUpWish, budget_s: float) -> dict[str, Any]:
        """Return what is asked of the final test; its reason is the same for each try of one finish-up."""
        config, chosen = self._context.config, state.chosen or {}
        environment = {"PYTHONPATH": os.pathsep.join(chosen["python_path"])} if chosen["python_path"] else {}
        return {
            "run_id": chosen["run_id"],
            "why": f"the final test of the finish-up that was asked for at {utc_text(wish.requested)}",
            "run_folder": chosen["run_folder"],
            "metric": chosen["metric"],
            "sealed_root": str(config.sealed_root),
            "sealed_hash": chosen["sealed_hash"],
            "training_python": str(training_python(config)),
            "environment": environment,
            "cwd": chosen["cwd"] or str(config.training_repo_root / chosen["working_folder"].replace("\\", "/")),
            "workspace": str(self._context.paths.root),
            "shell": choose_shell(config.run_shell),
            "test_command": config.test_command,
            "deadline_s": budget_s,
        }


def _job_name(step: str) -> str:
    return f"finish-up-{step.replace('_', '-')}"
