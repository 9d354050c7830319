"""The first step of a command, where it is plain to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_loop.errors import CommandError
from llm_loop.validation.start import NotPlainError, read_start

TOKENS = {"run_dir": "/runs/a b", "workspace": "/w"}


@pytest.mark.parametrize(
    ("command", "words", "behind"),
    [
        ("python train.py --lr 1", "python train.py --lr 1", 0),
        ("A=1 B='2' python train.py", "python train.py", 0),
        ("nice -n 5 nohup python train.py", "nice -n 5 nohup python train.py", 4),
        ("timeout -k 5 10m stdbuf -oL python train.py", "timeout -k 5 10m stdbuf -oL python train.py", 6),
        ("env A=1 B=2 python train.py", "env A=1 B=2 python train.py", 3),
        ("cd sub; set -e; export A=1; python train.py | tee x", "python train.py", 0),
    ],
)
def test_words_of_the_first_step(command: str, words: str, behind: int, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    start = read_start(command, "bash", tmp_path, TOKENS)
    assert (start.words, start.behind, start.program) == (tuple(words.split()), behind, "python")
    assert start.python is not None and start.python.script == "train.py"
    assert start.folder == (tmp_path / "sub" if command.startswith("cd") else tmp_path)


def test_variables_and_placeholders(tmp_path: Path) -> None:
    command = "export A=1 C=$X; B='x y' python {run_dir}/t.py --config={run_dir}/c.yaml --out $OUT --set a=1 --set=b=2"
    start = read_start(command, "bash", tmp_path, TOKENS)
    assert start.environment == {"A": "1", "B": "x y"}
    assert start.python is not None and start.python.script == "/runs/a b/t.py"
    assert (start.config(), start.loose) == ("/runs/a b/c.yaml", {"$OUT"})
    assert sorted(start.values_of("--set")) == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("PYTHONPATH=lib python t.py", "lib"),
        ("PYTHONPATH=lib:$PYTHONPATH python t.py", f"lib:{Path('/given')}"),
        ("PYTHONPATH=$(pwd)/lib python t.py", None),
        ("python t.py", None),
    ],
)
def test_where_modules_are_looked_for(command: str, found: str | None, tmp_path: Path) -> None:
    if "$(pwd)" in command:
        with pytest.raises(NotPlainError):
            read_start(command, "bash", tmp_path, TOKENS, ["/given"])
    else:
        assert read_start(command, "bash", tmp_path, TOKENS, ["/given"]).python_path == found


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ('$env:CUDA_VISIBLE_DEVICES = "0"; python train.py', ("python", "train.py")),
        ("& python 'a b.py'", ("python", "a b.py")),
    ],
)
def test_powershell(command: str, words: tuple[str, ...], tmp_path: Path) -> None:
    assert read_start(command, "pwsh", tmp_path, TOKENS).words == words


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("python a.py; python b.py", "powershell"),
        ("foreach ($x in 1, 2) { python a.py }", "pwsh"),
        ("if ($a) { python a.py }", "pwsh"),
        ("python a,b.py", "pwsh"),
        ("$x python a.py", "bash"),
        ("python $x", "bash"),
        ("python *.py", "bash"),
        ("cd gone && python a.py", "bash"),
        ("PATH=/x python a.py", "bash"),
        ("env PYTHONPATH=x python a.py", "bash"),
        ("set", "bash"),
        ("", "bash"),
        ("A=1", "bash"),
        ("nohup", "bash"),
        ("> file", "bash"),
    ],
)
def test_what_is_not_plain(command: str, shell: str, tmp_path: Path) -> None:
    with pytest.raises(NotPlainError):
        read_start(command, shell, tmp_path, TOKENS)


def test_long_words_are_read_in_time(tmp_path: Path) -> None:
    for text in ("{" * 20_000, "{," * 20_000, "a=" * 20_000, "[" * 20_000, "x " * 20_000):
        try:
            read_start(f"python t.py {text}", "bash", tmp_path, TOKENS)
        except (NotPlainError, CommandError):
            continue
