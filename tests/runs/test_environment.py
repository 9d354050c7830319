"""A run is as untrusted as the model: it gets no secret, and the training environment first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.runs.environment import run_environment


def environment(**base: str) -> dict[str, str]:
    return run_environment(base, Path("/venv train/bin/python"), Path("/runs/R0001/attempt-1"), "tag-1")


def test_an_attempt_is_told_where_to_go_on() -> None:
    assert "LLM_LOOP_RESUME_DIR" not in environment(LLM_LOOP_RESUME_DIR="/mine")
    told = run_environment({}, Path("/python"), Path("/a-2"), "tag", Path("/a-1"))
    assert told["LLM_LOOP_RESUME_DIR"] == str(Path("/a-1"))


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "PGPASSWORD",
        "my_password",
        "KAGGLE_KEY",
        "SSH_PRIVATE_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GPG_PASSPHRASE",
        "GITHUB_PAT",
        "MYSQL_PWD",
        "KEY",
        "CODEX_HOME",
        "LLM_LOOP_MODEL",
        "llm_loop_note",
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "VIRTUAL_ENV",
    ],
)
def test_secrets_and_what_bends_the_interpreter_stay_out(name: str) -> None:
    assert name not in environment(**{name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "LANG",
        "CUDA_VISIBLE_DEVICES",
        "KEYBOARD",
        "MONKEY_SEE",
        "TOKENIZERS_PARALLELISM",
        "PWD",
        "SSH_AUTH_SOCK",
        "PATHEXT",
    ],
)
def test_the_rest_stays(name: str) -> None:
    assert environment(**{name: "x"})[name] == "x"


def test_path_begins_with_the_training_environment() -> None:
    bin_folder = str(Path("/venv train/bin"))
    assert environment(PATH="/usr/bin")["PATH"] == f"{bin_folder}{os.pathsep}/usr/bin"
    assert environment()["PATH"] == f"{bin_folder}{os.pathsep}{os.defpath}"


def test_a_run_knows_itself_and_speaks_utf8() -> None:
    seen = environment(PYTHONUTF8="0", LLM_LOOP_RUN="another", LLM_LOOP_RUN_DIR="/other")
    assert seen["LLM_LOOP_RUN"] == "tag-1" and seen["LLM_LOOP_RUN_DIR"] == str(Path("/runs/R0001/attempt-1"))
    assert seen["PYTHONUTF8"] == seen["PYTHONUNBUFFERED"] == "1"
