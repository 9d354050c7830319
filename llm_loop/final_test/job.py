"""Score the chosen run on the sealed test rows, once: ``python -X utf8 -m llm_loop.final_test.job FOLDER``.

The child reads ``FOLDER/request.json`` (``request.FinalTestRequest``) and writes ``FOLDER/answer.json``: ``{"result":
{...} or null, "why": sentence or null, "opened_utc": when the rows were opened for this, or null}``. ``result`` is a
``contract.final_test.FinalTestResult``; where there is none, ``why`` says the reason, and ``opened_utc`` whether that
cost an opening all the same. Exit code 0 in all these cases; 1, with a line on stderr, for a request that is none or a
disk that does not write.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.contract.final_test import FinalTestResult
from llm_loop.errors import LoopError
from llm_loop.final_test.by_command import read_started, score_by_command
from llm_loop.final_test.by_trainer import score_by_trainer
from llm_loop.final_test.held import Bench, last_words
from llm_loop.final_test.request import FinalTestRequest
from llm_loop.final_test.seen import opening_of
from llm_loop.system.job_child import answer_job
from llm_loop.versions.removal import remove_tree


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.final_test.job", what="final test", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    asked, bench = FinalTestRequest.from_json(request), Bench(folder=folder.absolute())
    try:
        result = _score(asked, bench)
    except (LoopError, OSError) as error:
        return {"result": None, "why": last_words(" ".join(str(error).split())), "opened_utc": _opened(asked)}
    finally:
        with suppress(LoopError):
            remove_tree(bench.scratch, within=bench.folder)
    return {"result": result.to_json(), "why": None, "opened_utc": result.opened_utc}


def _score(asked: FinalTestRequest, bench: Bench) -> FinalTestResult:
    if asked.test_command is None:
        return score_by_trainer(asked, bench)
    return score_by_command(asked, asked.test_command, bench)


def _opened(asked: FinalTestRequest) -> str | None:
    """Return when rows were opened for this reason, or a test_command was started that may have looked at some."""
    with suppress(LoopError, OSError):
        if (opening := opening_of(asked)) is not None:
            return opening.utc
    started = None if asked.test_command is None else read_started(asked)
    is_its_own = started is not None and started.get("run_id") == asked.run_id
    return last_words(str(started["utc"])) if started is not None and is_its_own and "utc" in started else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
