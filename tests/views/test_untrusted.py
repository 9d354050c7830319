"""Foreign texts do nothing to a terminal, foreign numbers nothing to a sum."""

from __future__ import annotations

import json
import math

import pytest

from llm_loop.views.untrusted import clean, number_of, plain, text_of, whole_of


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\r\nb\tc\x00d", "a b c d"),
        ("right\u202eto left", "right to left"),
        ("half \ud800 a pair", "half a pair"),
        ("\x1b", ""),
        ("[bold]x[/bold] ü 漢", "[bold]x[/bold] ü 漢"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


def test_clean_bounds_the_length() -> None:
    assert clean("x" * 1_000_000, 10) == "x" * 7 + "..."
    assert len(clean("\x1b[31m" * 100_000 + "y" * 50, 20)) <= 20


@pytest.mark.parametrize("value", [None, True, "1", [], math.nan, math.inf, 10**400])
def test_no_number(value: object) -> None:
    assert number_of(value) is None and whole_of(value) is None


def test_numbers_and_texts() -> None:
    assert (whole_of(3.0), whole_of(3.5), number_of(3)) == (3, None, 3.0)
    assert (text_of(" "), text_of(3), text_of("x")) == (None, None, "x")


def test_plain_is_strict_json() -> None:
    value = plain({"a": math.nan, "b": (1, math.inf), "c": "x\x1b[31m\u2028", 3: {"d": -0.0}})
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    assert text.isprintable() and json.loads(text)["a"] is None
