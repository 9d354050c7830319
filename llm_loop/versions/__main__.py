"""Jobs on code, each in a child process: ``python -X utf8 -m llm_loop.versions FOLDER``.

Reads ``FOLDER/request.json`` and writes ``FOLDER/answer.json``, whole or not at all. Exit code 0, also where
something cannot be: then ``refused`` is a sentence, and the other keys of the answer are missing, but for ``place``.
A request that is none, or a disk that does not write, is one line on stderr and exit code 1.

Every request has ``job``, every answer ``schema_version``, ``job`` and ``refused`` (null or a sentence). Paths are
absolute. RULES stands for ``keep_out`` [paths], ``link_folders``, ``output_folders`` [relative names] and, where
wanted, ``largest_file_bytes``; CHECKOUT for ``{repository, versions, checkouts, checkout_id, config_globs, preferred,
RULES}``, where ``preferred`` is null or ``{run_id, version, repository_version}``.

===========  =================================================  ==================================================
job          request                                            answer
===========  =================================================  ==================================================
``take``     repository (any folder of code, a checkout too),   version, files (count), bytes
             versions, RULES
``compare``  repository, versions, version, RULES               version: the same id while every file of it is
                                                                there as it was (new files do not count);
                                                                changed: [paths] (at most 100)
``edit``     checkout: CHECKOUT, edits: [edits as in a          change: a CodeChange, its refusals in it
             decision], base: a CodeBase, or null for the
             choice of the loop
``open``     checkout: CHECKOUT, version                        folder, checkout_id, version
``place``    checkout: CHECKOUT, change: a CodeChange,          place: a Place (``placing``); ``refused`` says the
             command, shell, working_folder (relative or        same as ``place.refused``
             null), train_python, proof_seconds (60)
``discard``  checkouts, versions, checkout_id                   removed: [checkout_id]
``prune``    checkouts, keep: [ids], keep_last, versions        removed: [ids]
             (beside ``checkouts`` when not given)
``export``   repository, versions, version,                     folder, files (count), patch (path), patched:
             repository_version (or null), folder, run: an      [paths], applies: whether the patch fits the
             object that is written down, run_folder (the       repository as it is now, configs: [names]
             last attempt's, or null), RULES
===========  =================================================  ==================================================
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_loop.errors import ContractError
from llm_loop.system.job_child import answer_job
from llm_loop.versions import jobs
from llm_loop.versions.placing import PlaceRequest, place
from llm_loop.versions.refusal import CodeRefused

SCHEMA_VERSION = 1
_JOBS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "take": jobs.take,
    "compare": jobs.compare,
    "edit": jobs.edit,
    "open": jobs.open_again,
    "discard": jobs.discard_one,
    "prune": jobs.prune_old,
    "export": jobs.export_run,
}


def answer(request: Any) -> dict[str, Any]:
    """Do one job and return its answer. Raises LoopError for a request that is none, or a disk that fails."""
    if not isinstance(request, dict):
        raise ContractError("the request", ["an object is needed"])
    job = request.get("job")
    head: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "job": job, "refused": None}
    if job == "place":
        asked = PlaceRequest.from_json(request)
        try:
            found = place(asked)
        except CodeRefused as refused:
            return head | {"refused": str(refused), "place": None}
        return head | {"refused": found.refused, "place": found.to_json()}
    if not isinstance(job, str) or job not in _JOBS:
        raise ContractError("the request", [f"job: {job!r} is none of {', '.join((*_JOBS, 'place'))}"])
    try:
        return head | _JOBS[job](request)
    except CodeRefused as refused:
        return head | {"refused": str(refused)}


def main(arguments: Sequence[str]) -> int:
    """Do one job; return the exit code."""
    return answer_job(
        arguments, module="llm_loop.versions", what="code versions", answer=lambda request, _: answer(request)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
