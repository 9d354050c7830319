"""Tracebacks out of a log: the last one, its chain, its places."""

from __future__ import annotations

from llm_loop.stages.diagnosing.evidence import clean_line, lines_of
from llm_loop.stages.diagnosing.tracebacks import Frame, last_raised

CHAIN = """\
Traceback (most recent call last):
  File "/p/a.py", line 3, in load
    import cv2
ModuleNotFoundError: No module named 'cv2'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/p/a.py", line 9, in <module>
    load()
  File "/p/b.py", line 5, in load
    raise pkg.errors.LoadError("no images") from error
pkg.errors.LoadError: no images
  as of today
"""


def names(text: str) -> list[str]:
    return [one.name for one in last_raised(lines_of(text))]


def test_a_chain_is_read_from_its_end() -> None:
    last, first = last_raised(lines_of(CHAIN))
    assert (last.name, last.message, last.line) == (
        "LoadError",
        "no images\n  as of today",
        "pkg.errors.LoadError: no images",
    )
    assert last.frames == (Frame(file="/p/a.py", line=9), Frame(file="/p/b.py", line=5))
    assert (first.name, first.message) == ("ModuleNotFoundError", "No module named 'cv2'")


def test_only_the_last_traceback_counts() -> None:
    assert names("Traceback (most recent call last):\nKeyError: 'a'\nwent on\n" + CHAIN) == [
        "LoadError",
        "ModuleNotFoundError",
    ]
    assert names(CHAIN + "went on\nTraceback (most recent call last):\nKeyError: 'a'\n") == ["KeyError"]


def test_what_python_ignores_at_its_end_does_not_count() -> None:
    ignored = "Exception ignored in: <function X.__del__>\nTraceback (most recent call last):\nImportError: x\n"
    assert names(CHAIN + ignored) == ["LoadError", "ModuleNotFoundError"] and names(ignored) == []


def test_a_syntax_error_of_the_script_has_no_heading() -> None:
    (one,) = last_raised(lines_of('  File "t.py", line 3\n    def f(:\n          ^\nSyntaxError: invalid syntax\n'))
    assert (one.name, one.frames) == ("SyntaxError", (Frame(file="t.py", line=3),))


def test_an_exception_without_words_has_an_empty_message() -> None:
    for text in ("KeyboardInterrupt", "KeyboardInterrupt:", "a.b.MemoryError"):
        (one,) = last_raised(lines_of(f"Traceback (most recent call last):\n{text}\n"))
        assert (one.message, one.line) == ("", text)


def test_launchers_and_groups_put_marks_before_a_line() -> None:
    for mark in ("[rank3]: ", "  | ", "    | "):
        assert names("".join(f"{mark}{line}\n" for line in CHAIN.splitlines() if line)) == [
            "LoadError",
            "ModuleNotFoundError",
        ]


def test_other_texts_hold_none() -> None:
    for text in ("", "Traceback (most recent call last):", "KeyError: 'x'", "all: well", 'File "a", line x'):
        assert names(text) == []


def test_lines_are_plain_and_bounded() -> None:
    assert lines_of("10%\r20%\r30%\r\n\x1b[31mred\x1b[0m\r\n") == ["30%", "red", ""]
    assert max(len(line) for line in lines_of("x" * 10_000)) == 1_500
    assert sum(len(line) + 1 for line in lines_of("x\n" * 100_000)) <= 24_001
    (one,) = last_raised(lines_of("Traceback (most recent call last):\nKeyError: " + ("x" * 900 + "\n") * 20))
    assert len(one.message) == 4_000
    assert clean_line("a\x00b\u202ec  d" + "x" * 999) == "a b c d" + "x" * 290 + "..."
