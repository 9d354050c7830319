"""Every command of the README and of docs/ is run, or, where that would take a night, a login or a GPU, parsed.

Each line of a block ``sh`` or ``powershell`` must be a call that a rule here covers. What runs, runs on a small night
that a real loop made; the runs that a line names are exchanged for runs of that night.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from enum import Enum
from functools import cache
from pathlib import Path

import pytest

from llm_loop.cli import build_parser, main
from llm_loop.report import __main__ as report
from llm_loop.trainer import final_score
from llm_loop.trainer.prepare import options as data_options
from tests.conftest import REPOSITORY, make_workspace
from tests.docs.pages import PAGES, Block, all_blocks, code_in_text
from tests.docs.shell_lines import Call, call_of
from tests.loop_process import LoopProcess, script


class Way(Enum):
    """What is done with a call of ``llm-loop`` beyond parsing it."""

    PARSED = "it is parsed: it would start a night, need a login, a network, or a run that waits"
    RUN = "it is run, and ends with 0"


# The verb, words that must stand behind it, and the way; the first that fits holds. A verb without a rule fails.
RULES: tuple[tuple[str, frozenset[str], Way], ...] = tuple(
    (verb, frozenset(words.split()), way)
    for verb, words, way in (
        ("start", "", Way.PARSED),
        ("stop", "", Way.RUN),
        ("status", "", Way.RUN),
        ("watch", "--once", Way.RUN),
        ("watch", "", Way.PARSED),
        ("show", "", Way.RUN),
        ("events", "", Way.RUN),
        ("export", "", Way.RUN),
        ("diff", "", Way.RUN),
        ("leaderboard", "", Way.RUN),
        ("reproduce", "--check", Way.PARSED),  # test_a_run_once_more runs it, behind the one that it is about
        ("reproduce", "", Way.RUN),
        ("queue", "", Way.RUN),
        ("cancel", "", Way.PARSED),  # test_a_queue_that_is_taken_back runs it
        ("approve", "", Way.PARSED),  # test_words_for_a_loop_that_waits runs it
        ("reject", "", Way.PARSED),  # test_words_for_a_loop_that_waits runs it
        ("resolve", "", Way.PARSED),  # test_words_for_a_loop_that_waits runs it
        ("pause", "", Way.RUN),
        ("resume", "", Way.RUN),
        ("finishup", "--activate-at-utc", Way.PARSED),  # a moment in the past is refused
        ("finishup", "", Way.RUN),
        ("clean", "", Way.RUN),
        ("config", "", Way.RUN),
        ("data", "openings", Way.RUN),
        ("data", "link", Way.RUN),
        ("data", "", Way.PARSED),
        ("doctor", "", Way.PARSED),  # test_the_doctor runs it: what it finds is the machine's
        ("login", "", Way.PARSED),
        ("autostart", "", Way.PARSED),
        ("selftest", "", Way.PARSED),
        ("mcp", "", Way.PARSED),
    )
)
# Programs whose --help must know each flag of the line; they take minutes, or another environment.
HELPED = {
    "benchmarks/idle.py": ["benchmarks/idle.py"],
    "tests/chaos/run.py": ["tests/chaos/run.py"],
    "-m tests.windows.run": ["-m", "tests.windows.run"],
}


def lines(*languages: str) -> list[tuple[str, str]]:
    """Return the lines of commands with their places; blank ones and comments are none."""
    return [
        (block.place, line)
        for block in all_blocks(*languages)
        for line in block.text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]


SHELL = lines("sh")


@cache
def loop_parser() -> argparse.ArgumentParser:
    return build_parser()


def parse(words: tuple[str, ...]) -> None:
    """Parse a call of ``llm-loop`` with the real parsers; a wrong one fails the test."""
    loop_parser().parse_args(words)
    if words[0] == "data" and words[1] in ("prepare", "check"):
        data_options.build_parser().parse_args(words[1:])


def way_of(words: tuple[str, ...]) -> Way:
    for verb, needed, way in RULES:
        if words[0] == verb and needed <= set(words):
            return way
    raise AssertionError(f"no rule covers {' '.join(words)!r}: say here whether it is run or parsed")


def of_this_night(words: tuple[str, ...]) -> list[str]:
    """Exchange the runs that a line names for runs of the small night: R0007 for R0002, others for R0001 and R0003."""
    return [re.sub(r"^R(\d{4})$", lambda found: f"R000{int(found[1]) % 3 + 1}", word) for word in words]


@pytest.mark.parametrize(("place", "line"), SHELL, ids=[f"{place}-{line.split('  ')[0][:60]}" for place, line in SHELL])
def test_a_line_for_the_shell(
    place: str,
    line: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = call_of(line)
    is_ours = call.program == "llm-loop"
    if is_ours:
        parse(call.words)
    if not is_ours or way_of(call.words) is Way.RUN:
        monkeypatch.chdir(request.getfixturevalue("a_night"))
    if not is_ours:
        check_other(call)
    elif way_of(call.words) is Way.RUN:
        make_what_it_names(call.words)
        code = main(of_this_night(call.words))
        assert code == 0, f"{place}: {capsys.readouterr()}"


def make_what_it_names(words: tuple[str, ...]) -> None:
    """Write the file of ``queue add FILE``: the decision that the same page shows."""
    if words[:2] == ("queue", "add"):
        Path(words[2]).write_text(the_decision().text, encoding="utf-8")


def the_decision() -> Block:
    (block,) = [one for one in all_blocks("json") if '"run_label"' in one.text]
    return block


def check_other(call: Call) -> None:
    """Hold a call of anything but the loop to that program's own parser, or run it. One that no rule covers fails."""
    words = list(call.words)
    if call.program == "scripts/bootstrap.py":
        assert words in (["test"], ["install"], ["install", "--repair-extras"]), words
    elif call.program == "scripts/generate_finishup_report.py":
        made = report.make(report.parser().parse_args(words))
        assert made["best_run_id"] == "R0002" and Path(".llm_loop/artifacts/final_report.html").is_file()
    elif call.program == "-m llm_loop.trainer.final_score":
        final_score._parser().parse_args(words)
    elif call.program in HELPED:
        if call.program == "-m tests.windows.run" and os.name == "nt":
            pytest.skip("the bench lives on Linux")
        argv = [sys.executable, *HELPED[call.program], "--help"]
        told = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", timeout=60)
        assert told.returncode == 0 and all(word in told.stdout for word in words if word.startswith("--")), told
    else:
        raise AssertionError(f"no rule covers {call.program!r}: {words}")


def test_what_no_rule_covers_fails() -> None:
    for line in ("rm -rf .llm_loop", "python3 scripts/unknown.py", "pip install torch", "llm-loop"):
        with pytest.raises((ValueError, AssertionError, SystemExit, IndexError)):
            call = call_of(line)
            if call.program == "llm-loop":
                parse(call.words)
            check_other(call)
    with pytest.raises(SystemExit):
        parse(call_of("llm-loop finishup --minute-left 5 --nothing").words)
    with pytest.raises(AssertionError, match="no rule"):
        way_of(("dance",))


def test_every_verb_has_a_rule() -> None:
    (verbs,) = [action.choices for action in loop_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    assert set(verbs) == {verb for verb, _, _ in RULES}


INLINE = sorted(
    {
        (page.name, code)
        for page in PAGES
        for code in code_in_text(page)
        if re.match(r"(llm-loop|python3?|\.venv/bin/python) ", code)
        and not re.search(r"VERB|train\.py|^\S+ \S+\.py$", code)  # a pattern, a training of the reader's own, a name
    }
)
# `finishup --cancel`, `status --json`: a verb with flags, named in the text without the program
FLAGGED = sorted(
    {
        (page.name, code)
        for page in PAGES
        for code in code_in_text(page)
        if code.split()[0] in {verb for verb, _, _ in RULES} and " -" in code
    }
)


@pytest.mark.parametrize(("page", "code"), INLINE)
def test_a_command_in_the_text_is_parsed(page: str, code: str) -> None:
    call = call_of(code)
    if call.program == "llm-loop":
        parse(call.words)
    elif call.program == "-m pip":
        check_pip(call.words)
    elif call.program.startswith("-m llm_loop."):
        assert (REPOSITORY / call.program[3:].replace(".", "/")).exists() or (
            REPOSITORY / f"{call.program[3:].replace('.', '/')}.py"
        ).is_file()
    else:
        assert (REPOSITORY / call.program).is_file(), code


@pytest.mark.parametrize(("page", "code"), FLAGGED)
def test_the_flags_of_a_verb_in_the_text_are_known(page: str, code: str) -> None:
    words = code.split()
    (verbs,) = [action.choices for action in loop_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    known = set(verbs[words[0]]._option_string_actions)
    assert {word for word in words if word.startswith("--")} <= known, code


def check_pip(words: tuple[str, ...]) -> None:
    """Hold an installation of an extra to the files that it names."""
    assert words[0] == "install" and (REPOSITORY / words[words.index("--constraint") + 1]).is_file()
    extra = re.fullmatch(r"llm_loop\[(\w+)\]", words[-1])
    assert extra and f"\n{extra[1]} = [" in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_the_doctor(a_night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(a_night)
    assert main(["doctor"]) in (0, 1)
    assert "config" in capsys.readouterr().out


def test_a_queue_that_is_taken_back(
    a_night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(a_night)
    Path("my_runs.json").write_text(the_decision().text, encoding="utf-8")
    assert main(["queue", "add", "my_runs.json"]) == 0
    assert main(["cancel", "R0004"]) == 0
    assert main(["queue"]) == 0
    assert "R0004" not in capsys.readouterr().out.splitlines()[-1]


def test_words_for_a_loop_that_waits(
    tmp_path: Path, clean_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line that approves, rejects, resolves or stops is said to a living loop, with its own ids."""
    root = make_workspace(tmp_path / "waiting", requires_approval="always")
    script(root, *({"train": f"good 0.5{number}", "run_label": "held"} for number in range(9)))
    monkeypatch.chdir(root)
    with LoopProcess(root, clean_environ) as loop:
        called = loop.wait_for("needs_human")
        own = {"resolve": called["id"], "approve": "R0001", "reject": "R0002"}  # a word closes the call by itself
        calls = [call_of(line).words for _, line in SHELL]
        for verb, name in own.items():
            (words,) = [words for words in calls if words[:1] == (verb,)]
            assert main([verb, name, *words[2:]]) == 0, capsys.readouterr()
        loop.wait_for("run_ended")
        assert main(["stop"]) == 0


def test_a_run_once_more(a_night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(a_night)
    assert main(["reproduce", "R0002"]) == 0
    assert main(["reproduce", "R0002", "--check"]) == 0
    assert "R0004 ran R0002 once more" in capsys.readouterr().out
