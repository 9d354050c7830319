"""The PowerShell scripts hold their contract: syntax, help, parameters, one call, and flags that the CLI knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scripts.powershell_reader import (
    Parameter,
    code_of,
    commands,
    help_sections,
    parameters,
    passed_flags,
    read,
    syntax_problems,
)

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ALL = sorted(SCRIPTS.glob("*.ps1"))
FRONT = [path for path in ALL if not path.name.startswith("_")]
WORKSPACE = {"WorkspaceRoot": Parameter(type="string", default="''", range=None)}
CONFIG = {"ConfigPath": Parameter(type="string", default="'config/daemon_config.json'", range=None)}


def switch() -> Parameter:
    return Parameter(type="switch", default="", range=None)


# Each script: its parameters, and the fullest command line that it gives to the front door.
CONTRACT: dict[str, tuple[dict[str, Parameter], list[str]]] = {
    "install_tools": (WORKSPACE, ["--workspace", "w", "install"]),
    "startup": (
        WORKSPACE
        | CONFIG
        | {
            "StartInNewWindow": switch(),
            "Detach": switch(),
            "Cycles": Parameter(type="int", default="0", range=(0, 1_000_000)),
            "RunMinutes": Parameter(type="double", default="0", range=(0, 1_000_000)),
            "Until": Parameter(type="string", default="''", range=None),
        },
        [
            *("--workspace", "w", "start", "--config", "c", "--new-window", "--detach"),
            *("--cycles", "1", "--run-minutes", "1.5", "--until=val_log_loss<=0.09"),
        ],
    ),
    "start_llm_daemon": (WORKSPACE | CONFIG, ["--workspace", "w", "start", "--config", "c"]),
    "stop_llm_daemon": (WORKSPACE | {"LeaveRun": switch()}, ["--workspace", "w", "stop", "--leave-run"]),
    "status": (WORKSPACE | {"Json": switch()}, ["--workspace", "w", "status", "--json"]),
    "watch_status": (
        WORKSPACE | {"IntervalSeconds": Parameter(type="int", default="60", range=(5, 86_400)), "Once": switch()},
        ["--workspace", "w", "watch", "--interval", "5", "--once"],
    ),
    "login_loop_codex": (
        WORKSPACE | {"ApiKeyStdin": switch(), "Status": switch(), "InstallCli": switch()},
        ["--workspace", "w", "login", "--api-key-stdin", "--status", "--install-cli"],
    ),
    "install_autostart": (
        WORKSPACE | CONFIG | {"Remove": switch()},
        ["--workspace", "w", "autostart", "on", "--config", "c"],
    ),
    "test": (WORKSPACE, ["--workspace", "w", "test"]),
}
OWN_VERBS = {"install", "test"}  # the front door answers these itself
NEWER_THAN_5_1 = {
    "?:": r"\s\?\s[^{]*\s:\s",
    "??": r"\?\?",
    "?.": r"\w\?\.|\}\?\.",
    "&&": r"&&",
    "||": r"\|\|",
    "-Parallel": r"-Parallel\b",
    "utf8NoBOM": r"utf8NoBOM",
    "$IsWindows": r"\$Is(?:Windows|Linux|MacOS|CoreCLR)\b",
    "Join-Path with three parts": r"Join-Path\s+\S+\s+'[^']*'\s+['$]",
}
FORBIDDEN = {
    "JSON": r"ConvertTo-Json|ConvertFrom-Json",
    "Start-Process": r"Start-Process|Start-Job|Invoke-Expression|\biex\b",
    "stderr joined to stdout": r"2>&1",
    "text by culture": r"\.ToString\(|\s-f\s",
    "questions": r"Read-Host",
}
FORBIDDEN_IN_FRONT = {"loops": r"\b(?:foreach|for|while|do)\b\s*[({]|ForEach-Object", "stderr": r"2>"}


def test_every_script_has_a_contract():
    assert {path.stem for path in FRONT} == set(CONTRACT)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_small_plain_and_parsed(path):
    text = read(path)
    assert "\r" not in text
    assert "\t" not in text
    assert text.endswith("\n")
    assert len(text.splitlines()) <= 45
    assert max(len(line) for line in text.splitlines()) <= 120
    assert syntax_problems(text) == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_nothing_newer_than_5_1_and_nothing_forbidden(path):
    code = code_of(read(path))
    patterns = NEWER_THAN_5_1 | FORBIDDEN | (FORBIDDEN_IN_FRONT if path in FRONT else {})
    found = [name for name, pattern in patterns.items() if re.search(pattern, code)]
    assert found == []


@pytest.mark.parametrize("path", FRONT, ids=lambda path: path.stem)
def test_help_is_whole_and_not_hidden(path):
    text = read(path)
    sections = help_sections(text)
    names = set(parameters(text))
    assert {key.partition(" ")[2] for key in sections if key.startswith("PARAMETER")} == names
    assert {"SYNOPSIS", "EXAMPLE"} <= set(sections)
    assert all(sections.values())
    assert f"{path.name}" in sections["EXAMPLE"]
    assert text.startswith("<#\n")
    # a blank line between help and #Requires, or Get-Help shows nothing
    assert re.search(r"#>\n\n#Requires -Version 5\.1\n\[CmdletBinding\(PositionalBinding = \$false", text)


@pytest.mark.parametrize("path", FRONT, ids=lambda path: path.stem)
def test_strict_thin_and_ended_by_the_exit_code(path):
    text = read(path)
    code = code_of(text)
    assert "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\n. \"$PSScriptRoot/_loop.ps1\"\n" in text
    assert commands(text).count("Invoke-Bootstrap") == 1
    assert re.search(r"Invoke-Bootstrap [^\n]*\n\s*exit \$LASTEXITCODE\n(?:\}\n)?\Z", code)
    # Windows PowerShell 5.1 may not know $PSScriptRoot in a default
    assert "$PSScriptRoot" not in "".join(part.default for part in parameters(text).values())


@pytest.mark.parametrize("name", CONTRACT)
def test_parameters_are_the_known_ones(name):
    assert parameters(read(SCRIPTS / f"{name}.ps1")) == CONTRACT[name][0]


@pytest.mark.parametrize("name", CONTRACT)
def test_flags_are_those_of_the_command_line(name):
    words = CONTRACT[name][1]
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    text = read(SCRIPTS / f"{name}.ps1")
    assert passed_flags(text) == flags
    verb = next(word for word in words[2:] if not word.startswith("-"))
    assert f"'{verb}'" in text


@pytest.mark.parametrize("name", [name for name in CONTRACT if not OWN_VERBS & set(CONTRACT[name][1])])
def test_the_command_line_takes_them(name):
    from llm_loop.cli import build_parser

    excluded = ("--detach", "--status")  # a window or the background, not both; a login or its status
    one_place = [word for word in CONTRACT[name][1] if word not in excluded]
    try:
        parsed = build_parser().parse_args(one_place)
    except SystemExit:
        pytest.fail(f"llm-loop refuses {CONTRACT[name][1]}")
    given = vars(parsed).values()
    assert "w" in {str(value) for value in given}


BROKEN = {
    "missing comma": "param([string]$A = 'x' [switch]$B)\n",
    "open brace": "if ($a) { Write-Output 1\n",
    "open string": "Write-Output 'abc\n$x = 1\n",
    "stray catch": "catch { 1 }\n",
    "try alone": "try { 1 }\nWrite-Output 2\n",
    "twice": "param([string]$A, [int]$a)\nWrite-Output 1\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_reader_sees_broken_scripts(name):
    assert syntax_problems(BROKEN[name])


@pytest.mark.parametrize("snippet", ["$a ?? 1", "$x = $b ? 1 : 2", "a && b", "$IsWindows", "$y?.Name", "a || b"])
def test_the_patterns_see_newer_syntax(snippet):
    assert any(re.search(pattern, code_of(snippet)) for pattern in NEWER_THAN_5_1.values())
