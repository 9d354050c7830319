"""``python -m llm_loop.mcp_tools.regex_search``: a search by regular expression, where it can be ended from outside."""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path

from llm_loop.mcp_tools.confined import Confined
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.searching import CHILD_S, Query, search


def main() -> int:
    """Read a question on standard input, write the answer on standard output, both JSON.

    The process ends itself when it takes too long, also where nobody is left to end it: matching holds the interpreter,
    so a timer beside it does that.
    """
    faulthandler.dump_traceback_later(CHILD_S + 1, exit=True)
    question = json.load(sys.stdin)
    query = Query(**question["query"])
    try:
        confined = Confined(Path(question["root"]), [Path(folder) for folder in question["keep_out"]])
        hits, notes = search(confined, query, query.text)
        answer: dict[str, object] = {"hits": hits, "notes": notes}
    except Refused as refused:
        answer = {"refused": str(refused)}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
