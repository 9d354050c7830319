"""Whatever the text is, there is a verdict."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from llm_loop.contract.decision import RunFile
from llm_loop.stages.gate import GateContext, Verdict, judge
from tests.stages.gate.cases import run

LETTERS = """abc /\\.'"`$(){}[]<>|&;#*?=-~%@!,:^ \n\t0ü\u202e\ud800\x00"""
PHRASES = [
    "rm -rf ",
    "python -c ",
    "bash -c ",
    "$(",
    "<<E\n",
    "{run_dir}",
    "cmd /c ",
    "eval ",
    "find . -exec ",
    "xargs ",
    "'''",
    "@'\n",
]
ALPHABET = [*LETTERS, *PHRASES]


@pytest.mark.parametrize("shell", ["bash", "sh", "pwsh", "powershell"])
def test_hostile_text_gives_a_verdict(shell: str, context: GateContext) -> None:
    source = random.Random(f"gate {shell}")
    for _ in range(400):
        text = "".join(source.choices(ALPHABET, k=source.randint(1, 60)))
        files = (RunFile(name=source.choice(["a.py", "a.sh", "a.ps1", "a.bat", "a.yaml", text]), text=text),)
        decision = run(text, run_label=text, working_folder=text, builds_on=(text,), run_files=files)
        verdict = judge(decision, replace(context, shell=shell, forbidden_approaches=(text,)))
        assert verdict.to_json()["blocked"] is verdict.blocked


UNITS = [
    "(",
    "$(",
    "'",
    '"',
    "`",
    "{ ",
    "$((",
    "${",
    "a;",
    "a|",
    "a=b ",
    "./x ",
    "<<E ",
    "bash -c ",
    "\\",
    "rm x;",
    "[[",
    "@(",
    "xargs ",
    "find -exec ",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_long_repetitive_text_gives_a_verdict(unit: str, shell: str, context: GateContext) -> None:
    assert isinstance(judge(run((unit * 16_000)[:16_000]), replace(context, shell=shell)), Verdict)


def test_deep_python_gives_a_verdict(context: GateContext) -> None:
    text = "x = " + "(" * 5000 + ")" * 5000 + "\n" + "f" + "()" * 20_000 + "\n" + "-" * 20_000 + "1"
    assert isinstance(judge(run(run_files=(RunFile(name="a.py", text=text),)), context), Verdict)
