"""Changing words of a command: the shell's own reading decides, nothing becomes shell text."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from llm_loop.errors import CommandError
from llm_loop.repairs.command_change import config_in, settings_in, with_config, with_words

COMMAND = (
    "cd demo && python -m llm_loop.trainer --config 'my configs/a.yaml' --set training.batch_size=64 --lr=0.1"
    " -b 64 --output-dir {run_dir}/64 --amp --seed 64 # --lr 64"
)


def settings(command: str, shell: str = "bash") -> dict[str, str]:
    return {one.key: one.value for one in settings_in(command, shell)}


@pytest.mark.parametrize("shell", ["bash", "sh", "pwsh", "powershell"])
def test_what_a_command_sets_is_read(shell: str) -> None:
    found = settings(COMMAND, shell)
    assert found["training.batch_size"] == "64" and found["lr"] == "0.1" and found["b"] == "64"
    assert found["output-dir"] == "{run_dir}/64" and "amp" not in found
    config = config_in(COMMAND, shell)
    assert config is not None and config.value == "my configs/a.yaml"


@pytest.mark.parametrize(
    ("command", "config"),
    [
        ("python train.py --config=c.yaml", "c.yaml"),
        ("python train.py --cfg c.YML", "c.YML"),
        ("python train.py --config-file c.json", "c.json"),
        ("python train.py --config baseline", None),
        ("python -c 'import x' c.yaml", None),
        ("python train.py", None),
    ],
)
def test_the_config_of_a_command_is_found(command: str, config: str | None) -> None:
    found = config_in(command, "bash")
    assert (found and found.value) == config


def test_only_the_word_meant_is_changed() -> None:
    by_key = {one.key: one for one in settings_in(COMMAND, "bash")}
    batch, seed = by_key["training.batch_size"], by_key["seed"]
    assert with_words(COMMAND, "bash", {batch.word: batch.with_value("32")}) == COMMAND.replace("size=64", "size=32")
    assert with_words(COMMAND, "bash", {seed.word: "7"}) == COMMAND.replace("--seed 64", "--seed 7")
    both = with_words(COMMAND, "bash", {batch.word: batch.with_value("32"), by_key["b"].word: "32"})
    assert both == COMMAND.replace("size=64", "size=32").replace("-b 64", "-b 32")


HOSTILE = (
    "$(touch owned)",
    "`touch owned`",
    "a; touch owned",
    "x && touch owned",
    "$HOME",
    "%PATH%",
    "a b",
    "*",
    "~",
    "|",
    "&",
)


@pytest.mark.parametrize("value", [*HOSTILE, "it's", 'say "x"', "a\nb", "\x1b[31m", ""])
@pytest.mark.parametrize("command", ["echo --set k=v end", "echo --set 'k=v' end", 'echo --set "k=v" end'])
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads the command")
def test_a_value_is_never_shell_text(command: str, value: str) -> None:
    setting = next(one for one in settings_in(command, "bash") if one.key == "k")
    changed = with_words(command, "bash", {setting.word: setting.with_value(value)})
    if changed is None:
        assert value not in HOSTILE[:-3]
        return
    said = subprocess.run(["bash", "-c", changed], capture_output=True, timeout=20, check=True).stdout.decode()
    assert said == f"--set k={value} end\n"


@pytest.mark.parametrize(
    "path", ["/w s/.llm_loop/autofix_configs/a.yaml", "C:\\a b\\c.yaml", "/a/$x.yaml", "/plain.yaml"]
)
@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_another_config_is_put_in(path: str, shell: str) -> None:
    for command in ("python t.py --config a.yaml --lr 1", 'python t.py --config "a b.yaml" --lr 1'):
        changed = with_config(command, shell, path)
        assert changed is not None
        config = config_in(changed, shell)
        assert config is not None and config.value == path and settings(changed, shell)["lr"] == "1"


def test_what_cannot_be_changed_is_left() -> None:
    assert with_config("python t.py", "bash", "/a.yaml") is None
    assert with_words("python t.py", "bash", {9: "x"}) is None
    with pytest.raises(CommandError):
        with_words("python 't.py", "bash", {1: "x"})
