"""The command line: each verb is found, and loads what it needs and not the whole loop."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llm_loop.cli import _MODULES, main

Environ = dict[str, str]


@pytest.mark.parametrize("verb", _MODULES)
@pytest.mark.parametrize("before", [[], ["--workspace", "start"], ["--workspace=x"]])
def test_each_verb_is_found_wherever_its_workspace_lies(before: list[str], verb: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*before, verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: llm-loop {verb} ")


@pytest.mark.parametrize("words", [[], ["--help"], ["nonsense"], ["--workspace", "x", "nonsense"]])
def test_words_without_a_verb_name_them_all(words: list[str], capsys) -> None:
    with pytest.raises(SystemExit):
        main([*words])
    said = capsys.readouterr()
    assert all(verb in said.out + said.err for verb in _MODULES) or "required: VERB" in said.err


def test_a_view_does_not_load_the_daemon(tmp_path, clean_environ: Environ) -> None:
    program = "import sys; from llm_loop.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    argv = [sys.executable, "-X", "utf8", "-c", program, "--workspace", str(tmp_path), "status", "--json"]
    done = subprocess.run(argv, env=clean_environ, capture_output=True, encoding="utf-8", timeout=60, check=True)
    loaded = done.stderr.split()
    assert "llm_loop.views.reading" in loaded
    assert not [name for name in loaded if name.startswith(("llm_loop.daemon", "llm_loop.cycle.slots", "mcp"))]
