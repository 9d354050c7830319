"""How text is cleaned and cut, and how sections share a length."""

from __future__ import annotations

import random

import pytest

from llm_loop.agents.prompt_sections import Section, assemble, section
from llm_loop.agents.prompt_text import CUT, Keep, clean, cut, fenced, line_of, without_repeats
from tests.agents.prompt_reader import read_prompt


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\n", "a\nc"),
        ("10 %\r20 %\r100 %\ndone", "100 %\ndone"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x", "red x"),
        ("a\tb\x00c\u202ed\ud800e", "a    b c d e"),
        ("``` and ````", "`` and ``"),
        ("`code` ``two``", "`code` ``two``"),
        ("\n\n  kept\n\n", "  kept"),
        ("ünd 画像", "ünd 画像"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_line_of() -> None:
    assert line_of("a\n\n  b\x07", 20) == "a b"
    assert line_of("x" * 50, 10) == "xxxxxxx..."


def test_lines_that_repeat_are_said_once() -> None:
    assert without_repeats("a\nw\nw\nw\nb\nw") == "a\nw (3 times)\nb\nw"


def test_cut_keeps_whole_lines_of_the_wanted_end() -> None:
    text = "\n".join(f"line {n}" for n in range(100))
    head, tail = cut(text, 50), cut(text, 50, Keep.TAIL)
    assert head.startswith("line 0\n")
    assert head.endswith(f"\n{CUT}")
    assert tail.startswith(f"{CUT}\nline ")
    assert tail.endswith("line 99")
    assert len(head) <= 50
    assert len(tail) <= 50
    assert cut("short", 5) == "short"
    assert cut("x" * 500, 30) == "x" * 24 + f"\n{CUT}"
    assert cut("x" * 500, 3) == ""


def test_a_fence_is_longer_than_any_run_inside() -> None:
    assert fenced("a", "data") == "```data\na\n```"
    assert fenced("`````", "mission") == "``````mission\n`````\n``````"


def test_sections_share_and_never_exceed() -> None:
    draw = random.Random(7)
    for _ in range(300):
        blocks: list[str | Section] = ["Hello.", "The end."]
        for number in range(draw.randint(0, 8)):
            words = "\n".join("`" * draw.randint(0, 9) + "w" * draw.randint(0, 90) for _ in range(draw.randint(0, 60)))
            floor = draw.randint(0, 500)
            keep = draw.choice([Keep.HEAD, Keep.TAIL])
            lead = "l" * draw.randint(0, 60)
            blocks.insert(
                draw.randint(0, len(blocks)),
                section(f"S{number}", words, lead=lead, floor=floor, cap=floor + draw.randint(0, 3000), keep=keep),
            )
        limit = draw.randint(20, 9000)
        text = assemble(blocks, limit)
        assert len(text) <= limit
        read_prompt(text)


def test_what_one_section_leaves_goes_to_the_others() -> None:
    short, long = section("A", "a", floor=500, cap=500), section("B", "b\n" * 5000, floor=100, cap=9000)
    text = assemble([short, long], 2000)
    assert "```data\na\n```" in text
    assert 1900 < len(text) <= 2000


def test_where_room_is_short_the_last_sections_go() -> None:
    sections = [section(f"S{n}", "text\n" * 200, floor=300, cap=600) for n in range(5)]
    text = assemble(["Rules", *sections], 900)
    assert [f"## S{n}" in text for n in range(5)] == [True, True, False, False, False]
