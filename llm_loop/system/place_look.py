"""Look whether folders are there, for a daemon that must not wait for a drive that does not answer.

``python -m llm_loop.system.place_look FOLDER``: FOLDER/request.json names ``folders``; FOLDER/answer.json then holds,
by folder, why it cannot be used, null for nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_loop.system.job_child import answer_job


def trouble_with(folder: Path) -> str | None:
    """Return why a folder cannot be used, None for nothing. May wait for as long as its drive does."""
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:
        return "it is not there"
    except OSError as error:
        return error.strerror or str(error)
    return None


def main(arguments: Sequence[str]) -> int:
    """Answer the request that lies in a folder; return the exit code."""
    return answer_job(arguments, module="llm_loop.system.place_look", what="folders", answer=_answer)


def _answer(request: Any, _folder: Path) -> dict[str, str | None]:
    return {str(one): trouble_with(Path(one)) for one in request["folders"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
