"""The child of a job: take the request that lies in its folder, and leave the answer there, whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_loop.errors import LoopError
from llm_loop.system import files
from llm_loop.system.folders import never_make_anew

REQUEST_FILE, ANSWER_FILE = "request.json", "answer.json"


def answer_job(arguments: Sequence[str], *, module: str, what: str, answer: Callable[[Any, Path], Any]) -> int:
    """Answer the job in the folder that ``arguments`` name; return the exit code, 1 with one line on stderr.

    ``answer`` gets the request and the folder, and may raise LoopError; ``what`` begins the line.
    """
    if len(arguments) != 1:
        print(f"usage: python -X utf8 -m {module} FOLDER", file=sys.stderr)
        return 1
    folder = Path(arguments[0])
    never_make_anew(folder)
    try:
        found = answer(files.read_json(folder / REQUEST_FILE), folder)
        files.replace_json(folder / ANSWER_FILE, found, durable=False)
    except FileNotFoundError as error:
        print(f"{what}: {error.filename} is missing; the loop writes it first", file=sys.stderr)
        return 1
    except LoopError as error:
        print(f"{what}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0
