from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict

from llm_loop.mcp_tools import searching
from llm_loop.mcp_tools.answer import MAX_CHARACTERS
from llm_loop.mcp_tools.searching import Query
from tests.mcp_tools.small_workspace import SmallWorkspace

_CHILD_ALONE = """
from llm_loop.mcp_tools import searching
searching.CHILD_S = 0
from llm_loop.mcp_tools import regex_search
regex_search.main()
"""


def test_a_text_is_found_letter_for_letter(small: SmallWorkspace) -> None:
    small.write("a.py", "one\n  x = f(1)\n")
    small.write("b.txt", "x = F(1)\r\nnothing\n")
    small.write("best.pt", b"\0x = f(1)")
    assert "\na.py:2: x = f(1)\n" in small.ask("search_text", text="f(1)")
    assert "1 hits" in small.ask("search_text", text="f(1)")
    assert "\nb.txt:1: x = F(1)\n" in small.ask("search_text", text="f(1)", ignore_case=True)
    assert "0 hits" in small.ask("search_text", text="f.1")
    assert "a.py" not in small.ask("search_text", text="x", pattern="*.txt")
    assert "1 hits" in small.ask("search_text", text="x", path="a.py")


def test_a_regular_expression_is_matched_by_line(small: SmallWorkspace) -> None:
    small.write("a.py", "import torch\nlr = 0.1\n")
    assert "\na.py:2: lr = 0.1\n" in small.ask("search_text", text=r"^lr\s*=\s*[\d.]+$", regex=True)
    assert "not a regular expression" in small.refusal("search_text", text="(", regex=True)


def test_an_expression_that_would_never_end_is_ended(small: SmallWorkspace) -> None:
    small.write("a.py", "a" * 60 + "!\n")
    before = searching.CHILD_S
    searching.CHILD_S = 1.0
    try:
        start = time.perf_counter()
        assert "took too long" in small.refusal("search_text", text="(a+)+$", regex=True)
        assert time.perf_counter() - start < 8
    finally:
        searching.CHILD_S = before


def test_a_search_that_nobody_ends_ends_itself(small: SmallWorkspace, clean_environ: dict[str, str]) -> None:
    small.write("a.py", "a" * 60 + "!\n")
    query = Query(text="(a+)+$", path=".", pattern=None, ignore_case=False, limit=1)
    question = json.dumps({"root": str(small.checkout), "keep_out": [], "query": asdict(query)})
    argv = [sys.executable, "-X", "utf8", "-c", _CHILD_ALONE]
    ended = subprocess.run(
        argv, input=question.encode(), capture_output=True, env=clean_environ, timeout=20, check=False
    )
    assert ended.returncode != 0 and b"Timeout" in ended.stderr and not ended.stdout


def test_what_is_found_is_bounded(small: SmallWorkspace) -> None:
    small.write("long.txt", ("word " * 1_000 + "\n") * 500)
    small.write("big.txt", b"word\n" * 2_000_000)
    text = small.ask("search_text", text="word", limit=200)
    assert len(text) <= MAX_CHARACTERS and "perhaps more" in text
    assert "1 files above 4 MB left out" in small.ask("search_text", text="absent")
    assert "1 to 1,000" in small.refusal("search_text", text="")
    assert "1 to 1,000" in small.refusal("search_text", text="a\nb")
