"""The PowerShell scripts hold their contract: syntax, help, parameters, one call, and flags that the CLI knows."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from llm_loop.contract.schemas import load_schema
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
            "RunMinutes": Parameter(type="double", default="0", range=(0, 999_999)),
            "RunHours": Parameter(type="double", default="0", range=(0, 744)),
            "FinishupMinutes": Parameter(type="double", default="60", range=(0.5, 10_080)),
            "FinishupFinalTrainingRounds": Parameter(type="int", default="1", range=(0, 20)),
            "FinishupTopK": Parameter(type="int", default="10", range=(1, 100)),
            "FinishupNote": Parameter(type="string", default="''", range=None),
            "Until": Parameter(type="string", default="''", range=None),
        },
        [
            *("--workspace", "w", "start", "--config", "c", "--new-window", "--detach"),
            *("--cycles", "1", "--run-minutes", "1.5", "--run-hours", "8", "--until=val_log_loss<=0.09"),
            *("--finishup-minutes", "1.5", "--finishup-final-training-rounds", "2", "--finishup-top-k", "3"),
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
    "bootstrap_venvs": (
        WORKSPACE | {"SkipCuda": switch(), "SkipAutoRepairExtras": switch()},
        ["--workspace", "w", "install", "--torch-index=cpu", "--repair-extras"],
    ),
    "link_data": (
        WORKSPACE | CONFIG | {"DataSourceRoot": Parameter(type="string", default="''", range=None)},
        ["--workspace", "w", "data", "link", "--config", "c", "--source", "d"],
    ),
    "clean_fresh": (
        WORKSPACE | {"KeepCodexLogin": switch(), "KeepDataLink": switch(), "NoArchive": switch(), "Force": switch()},
        [
            *("--workspace", "w", "clean", "--keep-codex-login", "--keep-data-link", "--no-archive"),
            *("--force", "--what-if"),
        ],
    ),
    "request_finishup": (
        WORKSPACE
        | {
            "MinutesLeft": Parameter(type="double", default="60", range=(0.5, 10_080)),
            "FinalTrainingRounds": Parameter(type="int", default="1", range=(0, 20)),
            "TopK": Parameter(type="int", default="10", range=(1, 100)),
            "Note": Parameter(type="string", default="''", range=None),
            "ActivateInMinutes": Parameter(type="double", default="0", range=(0, 44_640)),
            "ActivateAtUtc": Parameter(type="string", default="''", range=None),
            "RunHours": Parameter(type="double", default="0", range=(0, 744)),
            "ForceReportNow": switch(),
            "Cancel": switch(),
            "Show": switch(),
        },
        [
            *("--workspace", "w", "finishup", "--final-training-rounds", "1", "--minutes-left", "0.5", "--top-k", "3"),
            *("--activate-at-utc=2030-01-31T05:30:00Z", "--run-hours", "8", "--activate-in-minutes", "5"),
            *("--force-report-now", "--cancel", "--show"),
        ],
    ),
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
    assert len(text.partition("#>\n\n")[2].splitlines() or text.splitlines()) <= 45  # without the help
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

    # one of those that exclude each other: a window or the background, a login or its status, one moment, one act
    excluded = ("--detach", "--status", "--run-hours", "--activate-in-minutes", "--show")
    words = CONTRACT[name][1]
    values = {words.index(flag) + 1 for flag in ("--run-hours", "--activate-in-minutes") if flag in words}
    one_place = [word for place, word in enumerate(words) if word not in excluded and place not in values]
    try:
        parsed = build_parser().parse_args(one_place)
    except SystemExit:
        pytest.fail(f"llm-loop refuses {CONTRACT[name][1]}")
    given = vars(parsed).values()
    assert "w" in {str(value) for value in given}


# ---------------------------------------------------------------- held against the command line

# Each parameter: the flag that it becomes; None for what the script itself or the front door is told by it.
FLAGS = {
    "WorkspaceRoot": "--workspace",
    "ConfigPath": "--config",
    "StartInNewWindow": "--new-window",
    "IntervalSeconds": "--interval",
    "DataSourceRoot": "--source",
    "Note": None,  # by the environment, as LLM_LOOP_NOTE
    "FinishupNote": None,
    "Remove": None,  # `autostart off`
    "SkipCuda": None,
    "SkipAutoRepairExtras": None,
}
# Where the command line has no default of its own, it goes by a key of the configuration.
KEYS = {
    ("watch_status", "IntervalSeconds"): "watch_interval_seconds",
    ("request_finishup", "MinutesLeft"): "finishup_default_minutes_left",
    ("request_finishup", "TopK"): "finishup_default_report_top_k",
    ("startup", "FinishupMinutes"): "finishup_default_minutes_left",
    ("startup", "FinishupTopK"): "finishup_default_report_top_k",
}
SHIPPED = {("startup", "FinishupFinalTrainingRounds"): 1}  # where no flag is given, a wish has one round
OFF_AT_ZERO = {"Cycles", "RunMinutes", "RunHours", "ActivateInMinutes"}  # 0 passes no flag
HELD = [
    (name, parameter)
    for name, (parameters_of, words) in CONTRACT.items()
    for parameter in parameters_of
    if not OWN_VERBS & set(words) and FLAGS.get(parameter, "") is not None
]


def flag_of(parameter: str) -> str:
    dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", parameter).lower()
    return FLAGS.get(parameter) or f"--{dashed}"


def action_of(name: str, parameter: str) -> argparse.Action:
    """Return what the command line knows of the flag that a parameter becomes."""
    from llm_loop.cli import build_parser

    parser, flag = build_parser(), flag_of(parameter)
    for word in [None, *(word for word in CONTRACT[name][1] if not word.startswith("-"))]:
        subparsers = next((one for one in parser._actions if isinstance(one, argparse._SubParsersAction)), None)
        if word is not None and subparsers is not None and word in subparsers.choices:
            parser = subparsers.choices[word]
        for action in parser._actions:
            if flag in action.option_strings:
                return action
    raise AssertionError(f"llm-loop {CONTRACT[name][1]} has no {flag}")


def takes(action: argparse.Action, value: float) -> bool:
    try:
        (action.type or str)(str(int(value)) if value == int(value) else repr(value))  # type: ignore[operator]
    except (ValueError, argparse.ArgumentTypeError):
        return False
    return True


@pytest.mark.parametrize(("name", "parameter"), HELD, ids=[f"{name}-{parameter}" for name, parameter in HELD])
def test_type_default_and_range_are_those_of_the_command_line(name, parameter):
    own, action = CONTRACT[name][0][parameter], action_of(name, parameter)
    assert (own.type == "switch") == (action.nargs == 0)
    if own.type == "switch":
        assert action.default is False
        return
    key = KEYS.get((name, parameter))
    default = load_schema("config")["properties"][key]["default"] if key else action.default
    if parameter == "WorkspaceRoot":
        assert (own.default, str(default)) == ("''", ".")  # a script works on the folder above it
    elif own.type == "string":
        assert own.default.strip("'") == ("" if default is None else default.as_posix())
    else:
        assert float(own.default) == float(SHIPPED.get((name, parameter), 0) if default is None else default)
    if own.range is not None:
        low, high = own.range
        least = 1 if parameter in OFF_AT_ZERO and not takes(action, 0) else low
        assert takes(action, least) and not takes(action, low - 1)
        assert takes(action, high)
        assert takes(action, least + 0.25) == (own.type == "double" or parameter in ANY_NUMBER)
        assert high in UNBOUNDED.get((name, parameter), ()) or not takes(action, high + 1)


ANY_NUMBER = {"IntervalSeconds"}  # the command line takes parts of a second too
UNBOUNDED = {("startup", "Cycles"): (1_000_000,), ("watch_status", "IntervalSeconds"): (86_400,)}


@pytest.mark.parametrize(("name", "parameter"), [("request_finishup", "MinutesLeft"), ("startup", "FinishupMinutes")])
def test_minutes_are_parts_of_minutes_from_a_half_on(name, parameter):
    action = action_of(name, parameter)
    assert takes(action, 0.5) and not takes(action, 0.49)


# ---------------------------------------------------------------- held against what users know

# What the first version of this system had: parameter, type, default, smallest value that was good ("" where not said).
KNOWN: dict[str, dict[str, tuple[str, str, float | None]]] = {
    "install_tools": {"VenvPath": ("string", "", None)},
    "bootstrap_venvs": {
        "WorkspaceRoot": ("string", "", None),
        "LoopRepoRoot": ("string", "", None),
        "TrainRepoRoot": ("string", "", None),
        "LoopVenvPath": ("string", "", None),
        "TrainVenvPath": ("string", "", None),
        "SkipCuda": ("switch", "", None),
        "SkipAutoRepairExtras": ("switch", "", None),
    },
    "login_loop_codex": {"WorkspaceRoot": ("string", "", None)},
    "link_data": {"WorkspaceRoot": ("string", "", None), "DataSourceRoot": ("string", "", None)},
    "startup": {
        "ConfigPath": ("string", "'config/daemon_config.json'", None),
        "StartInNewWindow": ("switch", "", None),
        "RunHours": ("double", "0", 0),
        "FinishupMinutes": ("int", "60", 5),
        "FinishupFinalTrainingRounds": ("int", "1", 0),
        "FinishupTopK": ("int", "10", 3),
        "FinishupNote": ("string", "''", None),
    },
    "start_llm_daemon": {"ConfigPath": ("string", "'config/daemon_config.json'", None)},
    "stop_llm_daemon": {"WorkspaceRoot": ("string", "", None)},
    "status": {"WorkspaceRoot": ("string", "", None)},
    "watch_status": {
        "WorkspaceRoot": ("string", "", None),
        "IntervalSeconds": ("int", "60", 5),
        "Once": ("switch", "", None),
    },
    "request_finishup": {
        "WorkspaceRoot": ("string", "", None),
        "MinutesLeft": ("int", "60", 5),
        "FinalTrainingRounds": ("int", "1", 0),
        "TopK": ("int", "10", 3),
        "Note": ("string", "''", None),
        "ActivateInMinutes": ("int", "0", 0),
        "ActivateAtUtc": ("string", "''", None),
        "RunHours": ("double", "0", 0),
        "ForceReportNow": ("switch", "", None),
        "Cancel": ("switch", "", None),
        "Show": ("switch", "", None),
    },
    "clean_fresh": {
        "WorkspaceRoot": ("string", "", None),
        "KeepDataLink": ("switch", "", None),
        "KeepCodexLogin": ("switch", "", None),
    },
}
# The environments lie in the checkout, and the training repository is named in the configuration.
LEFT_OUT = {"VenvPath", "LoopRepoRoot", "TrainRepoRoot", "LoopVenvPath", "TrainVenvPath"}


@pytest.mark.parametrize("name", KNOWN)
def test_what_users_know_is_still_there(name):
    own = parameters(read(SCRIPTS / f"{name}.ps1"))
    for parameter, (kind, default, least) in KNOWN[name].items():
        if parameter in LEFT_OUT:
            assert parameter not in own
            continue
        assert own[parameter].type in (kind, "double" if kind == "int" else kind)  # a decimal takes whole numbers too
        assert default in ("", own[parameter].default)
        if least is not None:
            low, high = own[parameter].range or (0, float("inf"))
            assert low <= least <= high


# ---------------------------------------------------------------- what deletes or stops

ASKS_FIRST = {"stop_llm_daemon", "clean_fresh", "install_autostart", "request_finishup"}


@pytest.mark.parametrize("path", FRONT, ids=lambda path: path.stem)
def test_what_deletes_or_stops_supports_what_if(path):
    text = read(path)
    assert ("SupportsShouldProcess" in text) == (path.stem in ASKS_FIRST)
    assert (code_of(text).count("$PSCmdlet.ShouldProcess(") == 1) == (path.stem in ASKS_FIRST)
    assert "ConfirmImpact" not in text  # nothing asks


def test_what_if_wins_over_force():
    code = code_of(read(SCRIPTS / "clean_fresh.ps1"))
    assert re.search(
        r"if \(\$WhatIfPreference\) \{ \$cli \+= '' \}", code
    )  # the loop itself shows, and changes nothing
    guard = re.search(r"if \((.*ShouldProcess.*)\) \{\n", code)
    assert guard is not None and "$Force" not in guard[1]


@pytest.mark.parametrize("name", ["request_finishup", "startup"])
def test_the_note_travels_in_the_environment_and_does_not_stay_there(name):
    code = code_of(read(SCRIPTS / f"{name}.ps1"))
    assert re.findall(r"\$cli \+?= [^\n]*\$(?:Finishup)?Note", code) == []
    assert "finally { $env:LLM_LOOP_NOTE = $before }" in code


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
