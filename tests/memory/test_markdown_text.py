"""Foreign text stays one harmless line; a person's text around a new line stays letter for letter."""

import pytest

from llm_loop.memory.markdown_text import add_to_section, field_text, one_line, outside_fences


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("a\n# b\r\n- c\td", "a # b - c d"),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("-0.5 points", "-0.5 points"),
        ("> quote", "\\> quote"),
        ("```python", "\\```python"),
        ("[x] done", "\\[x] done"),
        ("\x1b[31mred\x1b[0m\x00\x07", "red"),
        ("a\u2028b\u202ec\ud800d\ufeff", "a bc d"),
        ("<!-- hidden", "&lt;!-- hidden"),
        (" \n ", ""),
    ],
)
def test_one_line_is_one_harmless_line(raw: str, line: str) -> None:
    assert one_line(raw, 100) == line


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert one_line("word " * 1000, 20) == "word word word word…"
    assert one_line("x" * 20, 20) == "x" * 20
    assert len(one_line("y" * 10_000_000, 500)) == 500


def test_a_field_holds_no_part_mark() -> None:
    assert field_text("a | trace=C0001-0", 50) == "a / trace=C0001-0"


def test_a_line_goes_to_the_end_of_its_section() -> None:
    text = "# Pad\n\nfree words\n\n## Notes\n\n- a\n\n\n## Data Exploration\n\n- b\n### deeper\nmine\n"
    assert add_to_section(text, "## Notes", "- new") == text.replace("- a\n", "- a\n- new\n")
    assert add_to_section(text, "## Data Exploration", "- new") == text + "- new\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# P\n\n## Notes\n\n## B\n", "# P\n\n## Notes\n\n- n\n\n## B\n"),
        ("# P\n## Notes\n## B\n", "# P\n## Notes\n\n- n\n\n## B\n"),
        ("# P\n\n## Notes\n", "# P\n\n## Notes\n\n- n\n"),
        ("# P\n\n## notes  \nlast words", "# P\n\n## notes  \nlast words\n- n\n"),
        ("only mine", "only mine\n\n## Notes\n\n- n\n"),
        ("", "## Notes\n\n- n\n"),
        ("## Notes\r\n\r\n- a\r\n", "## Notes\r\n\r\n- a\r\n- n\r\n"),
        ("## Notes\r\n- a\r\n\r\n## B\r\n", "## Notes\r\n- a\r\n- n\r\n\r\n## B\r\n"),
    ],
)
def test_sections_that_people_leave_behind(text: str, expected: str) -> None:
    assert add_to_section(text, "## Notes", "- n") == expected


def test_a_heading_inside_a_fence_is_no_heading() -> None:
    text = "## Notes\n\n```sh\n## Data Exploration\n# comment\n```\n- a\n"
    assert add_to_section(text, "## Notes", "- n") == text + "- n\n"
    assert add_to_section(text, "## Data Exploration", "- n").endswith("- a\n\n## Data Exploration\n\n- n\n")


def test_an_unclosed_fence_swallows_nothing() -> None:
    text = "## Notes\n\n```\n- a\n"
    once = add_to_section(text, "## Data Exploration", "- 1")
    assert add_to_section(once, "## Data Exploration", "- 2").count("## Data Exploration") == 1
    assert all(outside_fences(text.split("\n")))
