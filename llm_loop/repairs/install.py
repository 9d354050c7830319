"""Install packages into the training environment, or take that back, as a child that answers one job.

``python -X utf8 -m llm_loop.repairs.install FOLDER`` reads ``FOLDER/request.json`` and writes ``FOLDER/answer.json``;
exit code 0 for every answer, 1 and a line on stderr for a request that is none or a disk that does not write.

    {"act": "install", "python": path, "requirements": ["timm>=1"], "import_names": ["timm"], "protected": [names] or
     null, "allow_source": bool, "deadline_s": number, "log": path, "record": path, "in_use_by": [attempt folders]}
    {"act": "undo", "record": path, "deadline_s": number, "log": path, "in_use_by": [attempt folders]}

Answer: ``state`` (installed, unchanged, refused, failed, undone), ``reason`` (a ``Reason`` or null), ``why``, ``added``
and ``changed`` with exact versions, ``record`` (the file that an undo needs, or null), ``environment`` (python, prefix,
versions), and ``pip`` in the form that the cycle event has. The environment of a failed install is as it was, unless
``needs_undo`` is true: then the record is to be undone before anything uses it (stopped), or a person must look
(undo_failed).

The job is given ``job_deadline_s(deadline_s)``: a failed install is taken back within it. Ended harder than that, the
record stays in the state ``installing``, and its undo comes before anything else in that environment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_loop.errors import ContractError
from llm_loop.repairs.environment import Environment
from llm_loop.repairs.in_use import sole_use
from llm_loop.repairs.installing import Failed, install, names_of
from llm_loop.repairs.plan import Step
from llm_loop.repairs.record import RecordState, read_record
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.request import InstallRequest, UndoRequest
from llm_loop.repairs.undoing import undo
from llm_loop.repairs.work import Work
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.job_child import answer_job


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.repairs.install", what="install", answer=_answer)


def _answer(value: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ContractError("the request", ["an object is needed"])
    return _undone(value, folder) if value.get("act") == "undo" else answer_of(value, folder)


def answer_of(value: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the answer to a request to install. Raises ContractError for a request that is none."""
    if value.get("act") != "install":
        raise ContractError("the request", [f"act: {value.get('act')!r} is neither install nor undo"])
    began = utc_text(SystemClock().utc_now())
    try:
        request = InstallRequest.from_json(value)
    except RepairRefused as error:
        return {**refused(error, "refused"), "pip": _pip(value, began, attempted=False, error=error)}
    return carried_out(request, folder)


def carried_out(request: InstallRequest, folder: Path) -> dict[str, Any]:
    """Carry out a checked request; return its answer."""
    began = utc_text(SystemClock().utc_now())
    work = Work(folder=folder, log=request.log, until_s=time.monotonic() + request.deadline_s)
    asked = {
        "python": str(request.python),
        "log": str(request.log),
        "requirements": [str(one) for one in request.requirements],
    }
    try:
        done = install(request, work)
    except Failed as failed:
        work.note(str(failed.error))
        was_tried = bool(failed.steps)
        state = "failed" if was_tried or failed.error.reason is Reason.NOT_IMPORTABLE else "refused"
        record = str(request.record) if was_tried else None
        answer = {**refused(failed.error, state), **names_of(failed.steps), "record": record}
        answer["needs_undo"] = was_tried and failed.error.reason in (Reason.STOPPED, Reason.UNDO_FAILED)
        return {**answer, "pip": _pip(asked, began, attempted=was_tried, error=failed.error)}
    return {
        "state": "installed" if done.steps else "unchanged",
        "reason": None,
        "why": None,
        **names_of(done.steps),
        "record": str(request.record) if done.steps else None,
        "needs_undo": False,
        "environment": _environment(done.after),
        "pip": _pip(asked, began, attempted=bool(done.steps), steps=done.steps),
    }


def _undone(value: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    request = UndoRequest.from_json(value)
    record = read_record(request.record)
    began = utc_text(SystemClock().utc_now())
    work = Work(folder=folder, log=request.log, until_s=time.monotonic() + request.deadline_s)
    asked = {"python": str(record.python), "log": str(request.log), "requirements": []}
    try:
        with sole_use(record.python, request.in_use_by):
            is_over = record.state is RecordState.UNDONE
            environment = None if is_over else _environment(undo(record, request.record, work))
    except RepairRefused as error:
        work.note(str(error))
        answer = refused(error, "failed" if error.reason is Reason.UNDO_FAILED else "refused")
        answer |= {"record": str(request.record), "needs_undo": True}
        return {**answer, "pip": _pip(asked, began, attempted=True, error=error)}
    answer = {**refused(None, "undone"), "record": str(request.record), "environment": environment}
    return {**answer, **names_of(record.steps), "pip": _pip(asked, began, attempted=not is_over)}


def refused(error: RepairRefused | None, state: str) -> dict[str, Any]:
    """Return the answer of which nothing came, without its account of pip."""
    return {
        "state": state,
        "reason": None if error is None else error.reason.value,
        "why": None if error is None else str(error),
        "added": [],
        "changed": [],
        "record": None,
        "needs_undo": False,
        "environment": None,
    }


def _environment(environment: Environment) -> dict[str, Any]:
    return {
        "python": str(environment.python),
        "prefix": str(environment.prefix),
        "python_version": environment.python_version,
        "versions": environment.versions(),
    }


def _pip(
    asked: Mapping[str, Any],
    began: str,
    *,
    attempted: bool,
    error: RepairRefused | None = None,
    steps: Sequence[Step] = (),
) -> dict[str, Any]:
    """Return the account of pip as the cycle event's ``auto_repair`` has it."""
    return {
        "attempted": attempted,
        "success": error is None,
        "exit_code": 0 if error is None else None,
        "python_exe": asked.get("python"),
        "packages": [f"{step.name}=={step.version}" for step in steps] or asked.get("requirements", []),
        "log_file": asked.get("log"),
        "started_utc": began,
        "ended_utc": utc_text(SystemClock().utc_now()),
        "error": None if error is None else str(error),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
