"""Write the report as a job of the loop: ``python -X utf8 -m llm_loop.report.job FOLDER``.

``FOLDER/request.json`` holds ``workspace_root``, ``top_k`` and ``note``. ``FOLDER/answer.json`` holds ``chosen``: what
has to be known of the winner to score it on the test rows, null where there is none. Exit code 0; 1, with a line on
stderr, for a request that is none or a disk that does not write.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_loop.contract.finish_up import LONGEST_NOTE
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CommandError, ContractError
from llm_loop.report.__main__ import make, parser
from llm_loop.system.job_child import answer_job
from llm_loop.views.run_story import RunStory, read_story
from llm_loop.views.untrusted import dict_of, list_of, text_of


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.report.job", what="report", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    root, top_k, note = (request.get(name) for name in ("workspace_root", "top_k", "note"))
    if not isinstance(root, str) or not isinstance(top_k, int) or not isinstance(note, str):
        raise ContractError("the request", ["workspace_root and note are texts, top_k is a whole number"])
    flags = ["--workspace-root", root, "--top-k", str(top_k), f"--note={note[:LONGEST_NOTE]}"]
    try:
        made = make(parser().parse_args(flags))
    except OSError as error:
        raise CommandError(str(error)) from error
    best = made.get("best_run_id")
    paths = WorkspacePaths(Path(root))
    return {"chosen": None if not isinstance(best, str) else _chosen(paths, read_story(paths, best))}


def _chosen(paths: WorkspacePaths, story: RunStory) -> dict[str, Any] | None:
    """Return what a score of the run goes by: its folder, metric and code; None for a run that left no result."""
    result, place = dict_of(dict_of(story.ended).get("result")), dict_of(story.code.get("place"))
    metric = text_of(result.get("metric"), 100)
    if not story.attempts or metric is None:
        return None
    working_folder = story.decision.get("working_folder")
    return {
        "run_id": story.run_id,
        "run_folder": str(paths.attempt(story.run_id, story.attempts[-1]["number"])),
        "metric": metric,
        "sealed_hash": text_of(result.get("sealed_hash"), 100),
        "cwd": text_of(place.get("cwd"), 4000),
        "python_path": [str(folder) for folder in list_of(place.get("python_path"))],
        "working_folder": working_folder if isinstance(working_folder, str) else ".",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
