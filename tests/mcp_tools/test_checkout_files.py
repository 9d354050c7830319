from __future__ import annotations

from llm_loop.mcp_tools.answer import MAX_CHARACTERS
from tests.mcp_tools.small_workspace import SmallWorkspace


def test_files_are_listed_with_their_sizes(small: SmallWorkspace) -> None:
    small.write("src/model.py", "x = 1\n")
    small.write("configs/a b.yaml", "lr: 1\n")
    small.write(".git/config", "secret")
    text = small.ask("list_files")
    assert "\nconfigs/\nconfigs/a b.yaml 6 B\nsrc/\nsrc/model.py 6 B\n" in text and ".git" not in text
    assert "\nsrc/model.py 6 B\n" in small.ask("list_files", path="src")
    assert "model.py" not in small.ask("list_files", depth=1)
    assert "configs" not in small.ask("list_files", pattern="*.py")
    assert "nothing there that matches *.md" in small.ask("list_files", pattern="*.md")


def test_many_files_are_bounded(small: SmallWorkspace) -> None:
    for number in range(1_200):
        small.write(f"f/{'n' * 30}{number:04d}.txt", "")
    text = small.ask("list_files", limit=1_000)
    assert len(text) <= MAX_CHARACTERS and "and more" in text


def test_lines_come_letter_for_letter(small: SmallWorkspace) -> None:
    small.write("a.py", "def f():\n\treturn 'ä'  \n\nlast")
    text = small.ask("read_file", path="a.py")
    assert "lines 1 to 4; it has 4 lines" in text and "\ndef f():\n\treturn 'ä'  \n\nlast\n[end" in text
    assert "\n\treturn 'ä'  \n[end" in small.ask("read_file", path="./a.py", first_line=2, lines=1)
    assert "no line there" in small.ask("read_file", path="a.py", first_line=9)


def test_a_huge_file_is_read_in_slices(small: SmallWorkspace) -> None:
    small.write("big.txt", b"a line of some length here\n" * 4_000_000)
    text = small.ask("read_file", path="big.txt", first_line=3_999_999)
    assert "it has 4,000,000 lines" in text
    text = small.ask("read_file", path="big.txt", lines=2_000)
    assert len(text) <= MAX_CHARACTERS and "lines 1 to 7" in text


def test_binary_files_are_refused(small: SmallWorkspace) -> None:
    small.write("best.pt", b"PK\x03\x04\0\0\0")
    assert "binary" in small.refusal("read_file", path="best.pt")


def test_arguments_are_held_to_their_schema(small: SmallWorkspace) -> None:
    assert "first_line" in small.refusal("read_file", path="a.py", first_line=0)
    assert "'path' is a required property" in small.refusal("read_file")
    assert "mode" in small.refusal("read_file", path="a.py", mode="w")
    assert "no tool 'write_file'" in small.refusal("write_file", path="a.py")
