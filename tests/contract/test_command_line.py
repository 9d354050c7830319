"""Splitting commands: statements, words, quotes and groups of each shell family."""

from __future__ import annotations

import random

import pytest

from llm_loop.contract.command_line import Redirect, Statement, program_name, split_statements
from llm_loop.errors import CommandError


def words(command: str, shell: str = "bash") -> list[list[str]]:
    return [[word.text for word in one.words] for one in split_statements(command, shell)]


def all_words(statements: tuple[Statement, ...]) -> list[list[str]]:
    found = []
    for one in statements:
        found += all_words(one.inner)
        found.append([word.text for word in one.words])
    return found


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("a b; c && d || e | f & g\nh", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"], ["h"]]),
        ("a 'b; c' \"d && e\" f\\;g", [["a", "b; c", "d && e", "f;g"]]),
        ("a 'b'\"c\"d", [["a", "bcd"]]),
        ('a "b \\" \\\\ \\n" \'\'', [["a", 'b " \\ \\n', ""]]),
        ("a # b; c\nd#e", [["a"], ["d#e"]]),
        ("a \\\n b", [["a", "b"]]),
        ("a {run_dir}/x ${B} $C", [["a", "{run_dir}/x", "${B}", "$C"]]),
        ("a $'b c' $((1 + 2))", [["a", "b c", "$((1 + 2))"]]),
        ("x=(1 2 3); echo", [["x=", "1", "2", "3"], ["echo"]]),
        ("a\r\nb\r\n", [["a"], ["b"]]),
        ("  \n\n ;; ", []),
        ("", []),
    ],
)
def test_bash_statements(command: str, expected: list[list[str]]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "Set-Location -LiteralPath 'a[1] ''b'''; python x.py",
            [["Set-Location", "-LiteralPath", "a[1] 'b'"], ["python", "x.py"]],
        ),
        ('& \'C:\\a b\\python.exe\' -c "x `" y"', [["C:\\a b\\python.exe", "-c", 'x " y']]),
        ('a "b ""c"" d"', [["a", 'b "c" d']]),
        ("a `\n b", [["a", "b"]]),
        ("a <# b; c #> d # e", [["a", "d"]]),
        ("a {run_dir}\\x | b", [["a", "{run_dir}\\x"], ["b"]]),
        ("@'\nx; 'y\n'@ | b", [["x; 'y"], ["b"]]),
    ],
)
def test_powershell_statements(command: str, expected: list[list[str]]) -> None:
    assert words(command, "pwsh") == expected


def test_cmd_statements() -> None:
    assert words('rd /s "C:\\a b" & del ^& | x', "cmd") == [["rd", "/s", "C:\\a b"], ["del", "&"], ["x"]]


@pytest.mark.parametrize(
    ("command", "shell", "expected"),
    [
        ("a $(b `c`) (d; e)", "bash", [["c"], ["b", "`c`"], ["d"], ["e"], ["a", "$(b `c`)"]]),
        ("a \"x $(b 'c d')\"", "bash", [["b", "c d"], ["a", "x $(b 'c d')"]]),
        ("a <(b) ", "bash", [["b"], ["a", "<(b)"]]),
        ("if (a) { b } else { c }", "pwsh", [["a"], ["b"], ["c"], ["if", "()", "{}", "else", "{}"]]),
        ('a "x $(b)"', "pwsh", [["b"], ["a", "x $(b)"]]),
    ],
)
def test_inner_statements(command: str, shell: str, expected: list[list[str]]) -> None:
    assert all_words(split_statements(command, shell)) == expected


def test_joins_redirects_and_here_texts() -> None:
    first, second = split_statements("cat <<-'E' > out.txt 2>&1 |\n\tx; y\n\tE\ntee z", "bash")[:2]
    assert first.here_text == "x; y"
    assert first.joined_by == "|"
    assert first.redirects == (Redirect(operator=">", target="out.txt"), Redirect(operator=">&", target="1"))
    assert [one.writes for one in first.redirects] == [True, False]
    assert [word.text for word in second.words] == ["tee", "z"]


def test_quotes_say_whether_variables_are_replaced() -> None:
    (statement,) = split_statements("a '$B' \"$C\" $D", "bash")
    assert [(word.quoted, word.expands) for word in statement.words[1:]] == [(True, False), (True, True), (False, True)]


def test_a_powershell_text_is_no_program() -> None:
    assert [one.data for one in split_statements("'vim' | a; & 'vim'", "pwsh")] == [True, False, False]


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("a 'b", "bash"),
        ('a "b', "bash"),
        ("a $(b", "bash"),
        ("a `b", "bash"),
        ("(" * 40, "bash"),
        ("a ${b", "bash"),
        ("a 'b", "pwsh"),
        ("if (a { b", "pwsh"),
        ("@'\nx", "pwsh"),
        ('a "b', "cmd"),
        ("a", "fish"),
    ],
)
def test_what_cannot_be_read_is_named(command: str, shell: str) -> None:
    with pytest.raises(CommandError):
        split_statements(command, shell)


@pytest.mark.parametrize("shell", ["bash", "pwsh", "cmd"])
def test_random_text_ends_in_statements_or_an_error(shell: str) -> None:
    source = random.Random(f"command line {shell}")
    letters = [*"""ab '"`$(){}<>|&;#\\@^\n\tü\u2028\ud800""", "<<E\n", "\nE\n", "$(", "{run_dir}"]
    for _ in range(1500):
        text = "".join(source.choices(letters, k=source.randint(0, 40)))
        try:
            statements = split_statements(text, shell)
        except CommandError:
            continue
        assert all(one.words or one.redirects or one.inner for one in statements)


@pytest.mark.parametrize(
    ("word", "name"),
    [("/usr/bin/Python3", "python3"), ("C:\\x\\PYTHON.EXE", "python"), ("run.cmd", "run"), ("./a.sh", "a.sh")],
)
def test_program_names(word: str, name: str) -> None:
    assert program_name(word) == name
