"""Every line of PowerShell in the documents: two grammars read it, and its script takes its parameters."""

from __future__ import annotations

import re
import shlex

import pytest

from llm_loop.cli import build_parser
from tests.conftest import REPOSITORY
from tests.docs.pages import PAGES, all_blocks, code_in_text
from tests.scripts.powershell_reader import Parameter, parameters, read, syntax_problems

SCRIPTS = REPOSITORY / "scripts"
_COMMON = {"whatif": Parameter(type="switch", default="", range=None)}  # of a script with SupportsShouldProcess
_BUILT_IN = {"Set-ExecutionPolicy -Scope Process -ExecutionPolicy Bypass"}
LINES = [
    (block.place, line.split("  #")[0].rstrip())
    for block in all_blocks("powershell")
    for line in block.text.splitlines()
    if line.strip()
]
PASTED = ["stop_llm_daemon", "clean_fresh", "login_loop_codex", "startup", "status"]


def check(line: str) -> None:
    """Fail for a line that no rule covers, or that its script would refuse."""
    assert syntax_problems(line) == [], line
    if line in _BUILT_IN:
        return
    line = line.removeprefix("powershell -ExecutionPolicy Bypass -File ")
    head, *words = _words(line)
    if head == ".venv\\Scripts\\llm-loop.exe":
        build_parser().parse_args(words)
        return
    called = re.fullmatch(r"(?:\.\\)?scripts\\(\w+)\.ps1", head)
    assert called, f"no rule covers {line!r}"
    check_parameters(called[1], words)


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.escape = True, ""
    return list(lexer)


def check_parameters(script: str, words: list[str]) -> None:
    """Hold the words of a call against the parameters of ``scripts/SCRIPT.ps1``: names, values, ranges."""
    text = read(SCRIPTS / f"{script}.ps1")
    known = {name.lower(): parameter for name, parameter in parameters(text).items()}
    if "SupportsShouldProcess" in text:
        known |= _COMMON
    waiting = list(words)
    while waiting:
        name = waiting.pop(0)
        assert name.startswith("-") and name[1:].lower() in known, f"{script}.ps1 has no parameter {name}"
        parameter = known[name[1:].lower()]
        if parameter.type != "switch":
            check_value(f"{script} {name}", parameter, waiting.pop(0) if waiting else "")


def check_value(what: str, parameter: Parameter, value: str) -> None:
    assert value and not value.startswith("-"), f"{what} wants a value"
    if parameter.type in ("int", "double"):
        number = int(value) if parameter.type == "int" else float(value)
        assert parameter.range is None or parameter.range[0] <= number <= parameter.range[1], f"{what}: {value}"


@pytest.mark.parametrize(("place", "line"), LINES)
def test_a_line_of_powershell(place: str, line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    "line",
    [
        "scripts\\startup.ps1 -Unknown",
        "scripts\\startup.ps1 -RunHours",
        "scripts\\startup.ps1 -RunHours 9999",
        "scripts\\startup.ps1 -Cycles 1.5",
        "scripts\\status.ps1 -WhatIf",
        "scripts\\status.ps1 stray",
        "scripts\\gone.ps1",
        "Remove-Item -Recurse .llm_loop",
        "scripts\\status.ps1 -Json)",
    ],
)
def test_a_wrong_line_fails(line: str) -> None:
    with pytest.raises((AssertionError, ValueError, OSError)):
        check(line)


def test_the_lines_that_are_pasted_one_after_another() -> None:
    """They stand together, in the order in which they work."""
    wanted = [f".\\scripts\\{name}.ps1" for name in PASTED]
    found = [[line.split()[0] for line in block.text.splitlines()] for block in all_blocks("powershell")]
    assert wanted in found


def test_every_script_is_shown_and_every_shown_one_is_there() -> None:
    there = {path.stem for path in SCRIPTS.glob("*.ps1") if not path.name.startswith("_")}
    shown = {name for _, line in LINES for name in re.findall(r"scripts\\(\w+)\.ps1", line)}
    named = {name for page in PAGES for code in code_in_text(page) for name in re.findall(r"(\w+)\.ps1", code)}
    assert shown == there and named <= there


@pytest.mark.parametrize(
    "code",
    sorted({code for page in PAGES for code in code_in_text(page) if re.match(r"(?:\S*\\)?\w+\.ps1 -", code)}),
)
def test_parameters_in_the_text_are_known(code: str) -> None:
    script, *words = _words(code)
    check_parameters(script.rpartition("\\")[2].removesuffix(".ps1"), words)
