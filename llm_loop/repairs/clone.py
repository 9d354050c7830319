"""Clone a source repository and install it into the training environment, as a child that answers one job.

``python -X utf8 -m llm_loop.repairs.clone FOLDER`` reads ``FOLDER/request.json``, the keys of a request to install
(``llm_loop.repairs.install``; ``act`` is "clone", ``requirements`` may be empty) and

    {"name": module or model, "repo": address or path, "ref": "", "subdir": "", "editable": true,
     "base": folder that a relative path starts from, "sources": folder of the clones, "clone_log": path}

and writes ``FOLDER/answer.json``: the answer of an install, with ``commit``, and ``clone`` and ``pip_from_clone`` in
the forms that the cycle event has. What the source depends on is resolved and checked as in any install.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_loop.errors import ContractError
from llm_loop.repairs.cloning import CloneRequest, clone
from llm_loop.repairs.git import without_login
from llm_loop.repairs.install import carried_out, refused
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.request import InstallRequest, SourceFolder, absolute, seconds
from llm_loop.repairs.work import Work
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.job_child import answer_job


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.repairs.clone", what="clone", answer=_answer)


def _answer(value: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("act") != "clone":
        raise ContractError("the request", ["act: clone is needed"])
    return answer_of(value, folder)


def answer_of(value: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the answer to a request to clone and install. Raises ContractError for a request that is none."""
    asked = CloneRequest.from_json(value)
    work = Work(folder=folder, log=absolute(value, "clone_log"), until_s=time.monotonic() + seconds(value))
    source = SourceFolder(folder=asked.install_folder, editable=asked.editable)
    commit: str | None = None
    error: RepairRefused | None = None
    request: InstallRequest | None = None
    try:
        request = InstallRequest.from_json(value, source)
        commit = clone(asked, work)
    except RepairRefused as refusal:
        error = refusal
        work.note(str(error))
    account = _clone_account(asked, work, error)
    if request is None or commit is None:
        assert error is not None
        state = "refused" if error.reason is Reason.NOT_ALLOWED else "failed"
        return _renamed({**refused(error, state), "pip": None}, None, account)
    left_s = max(1.0, work.until_s - time.monotonic())
    return _renamed(carried_out(replace(request, deadline_s=left_s), folder), commit, account)


def _renamed(answer: Mapping[str, Any], commit: str | None, account: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in answer.items() if key != "pip"}
    return {**kept, "commit": commit, "clone": dict(account), "pip_from_clone": answer["pip"]}


def _clone_account(asked: CloneRequest, work: Work, error: RepairRefused | None) -> dict[str, Any]:
    """Return the account of a clone as the cycle event's ``auto_repair`` has it."""
    return {
        "attempted": True,
        "success": error is None,
        "repo": without_login(asked.repo),
        "ref": asked.ref,
        "source_dir": str(asked.folder),
        "install_dir": str(asked.install_folder),
        "log_file": str(work.log),
        "exit_code": 0 if error is None else None,
        "error": None if error is None else str(error),
        "ended_utc": utc_text(SystemClock().utc_now()),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
