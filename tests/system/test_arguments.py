"""No shell between the loop and a child: what is in an argument reaches it as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_loop.runs.command import start_form
from llm_loop.system import files
from tests.system.held import held, python

ECHO = "import json, sys; print(json.dumps(sys.argv[1:], ensure_ascii=False))"
HOSTILE = [
    "x&y",
    "%PATH%",
    "100%",
    "^caret^",
    'a "quoted" word',
    "it's",
    "end with backslash\\",
    'C:\\a b\\"c\\\\',
    "two\nlines",
    "tab\there",
    "",
    " ",
    "a|b>c<d",
    "!DELAYED!",
    "(x) ; rm $HOME `id`",
    "日本語 ✓ \N{ROCKET} ÿ žluťoučký",
    "--flag=a b&c",
    "*?[]",
]


def test_arguments_reach_the_child_as_they_are(tmp_path: Path) -> None:
    with held(tmp_path, *python(ECHO, *HOSTILE)) as one:
        assert one.start().ended().exit_code == 0
        assert json.loads(files.read_text(tmp_path / "out.log")) == HOSTILE


@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_a_direct_command_keeps_its_quoted_words(tmp_path: Path, shell: str) -> None:
    words = ["x&y", "%PATH%", "a^b", "日本語 \N{ROCKET}", "--note=a b|c"]
    command = "tool " + " ".join(f"'{word}'" for word in words) + " {run_dir}"
    form = start_form(command, shell, tmp_path, {"run_dir": str(tmp_path / "täst & so"), "workspace": "w"})
    wanted = [*words, str(tmp_path / "täst & so")]
    assert list(form.argv[1:]) == wanted and not form.files
    with held(tmp_path, *python(ECHO, *form.argv[1:])) as one:
        assert one.start().ended().exit_code == 0
        assert json.loads(files.read_text(tmp_path / "out.log")) == wanted
