"""``llm-loop data``: what it does itself, and what it hands to the training environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_loop.cli import main
from llm_loop.config import load_config
from llm_loop.contract.sealed import OPENINGS, record_opening
from tests.conftest import REPOSITORY, eventually
from tests.loop_process import LoopProcess, pid_is_alive, script
from tests.windows.marks import not_under_wine

Capture = pytest.CaptureFixture[str]


class Desk:
    """A workspace whose training environment is this Python, and the verb in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "config").mkdir(parents=True)
        (root / "repository").mkdir()
        self.configure()

    def configure(self, **more: object) -> None:
        given = {"train_python_exe": sys.executable, "training_repo_root": "repository", "sealed_root": "vault"}
        (self.root / "config" / "daemon_config.json").write_text(json.dumps(given | more), encoding="utf-8")

    def data(self, *words: str) -> int:
        return main(["--workspace", str(self.root), "data", *words])

    @property
    def link(self) -> Path:
        return self.root / "repository" / "data"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "a work & space")


def test_help_and_wrong_usage_come_from_the_child(desk: Desk, capfd: Capture) -> None:
    assert desk.data("prepare", "fracatlas", "--help") == 0
    said = capfd.readouterr().out
    assert "usage: llm-loop data prepare fracatlas" in said and "--raw-root" in said and "--truncated" in said
    assert desk.data("check") == 2
    assert "PLACE" in capfd.readouterr().err
    assert desk.data("check", "x", "--sealed-root", "y", "--no-such-option") == 2


def test_the_sealed_root_is_that_of_the_configuration(desk: Desk, capfd: Capture, tmp_path: Path) -> None:
    program = tmp_path / "python.py"
    program.write_text("import sys\nprint(*sys.argv[1:], sep='|')\nsys.exit(3)\n", encoding="utf-8")
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    desk.configure(train_python_exe=str(fake))
    assert desk.data("check", "--no-sheet", "a b") == 3
    words = capfd.readouterr().out.strip().split("|")
    assert words[-5:] == ["check", "--no-sheet", "a b", "--sealed-root", str(desk.root / "vault")]
    desk.data("check", "x", "--sealed-root=mine")
    assert str(desk.root / "vault") not in capfd.readouterr().out


def test_no_training_environment_is_said(desk: Desk, capsys: Capture, tmp_path: Path) -> None:
    desk.configure(train_python_exe=str(tmp_path / "no" / "python"))
    assert desk.data("check", "x") == 2
    assert "train_python_exe" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_ctrl_c_ends_the_child_too(desk: Desk, tmp_path: Path) -> None:
    fake, told = tmp_path / "python", tmp_path / "pid"
    fake.write_text(f'#!/bin/sh\necho $$ > "{told}.new"\nmv "{told}.new" "{told}"\nexec sleep 60\n', encoding="utf-8")
    fake.chmod(0o755)
    desk.configure(train_python_exe=str(fake))
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(desk.root), "data", "check", "x"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    verb = subprocess.Popen(argv, env=environment, start_new_session=True)
    try:
        while not told.exists():
            assert verb.poll() is None
        child = int(told.read_text("utf-8"))
        os.killpg(verb.pid, signal.SIGINT)
        assert verb.wait(20) == 130
        eventually(lambda: not pid_is_alive(child))
    finally:
        if verb.poll() is None:
            os.killpg(verb.pid, signal.SIGKILL)
            verb.wait()


def test_openings_are_listed_and_a_broken_record_is_said(desk: Desk, capsys: Capture) -> None:
    vault = desk.root / "vault"
    assert desk.data("openings") == 0
    assert "opened 0 times" in capsys.readouterr().out
    (vault / "hands").mkdir(parents=True)
    (vault / "hands" / "manifest.csv").write_text("image,split\n", encoding="utf-8")
    for why in ("the final score", "once more"):
        record_opening(vault, name="hands", why=why, run="R0007", now=datetime(2026, 3, 1, tzinfo=UTC))
    assert desk.data("openings") == 0
    said = capsys.readouterr().out
    assert "2026-03-01T00:00:00+00:00  hands  R0007  the final score" in said and "opened 2 times" in said
    assert desk.data("openings", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert [one["why"] for one in value["openings"]] == ["the final score", "once more"] and value["broken"] == []
    lines = (vault / OPENINGS).read_text("utf-8").splitlines()
    (vault / OPENINGS).write_text(lines[1] + "\n", encoding="utf-8")
    assert desk.data("openings") == 1
    assert "BROKEN" in capsys.readouterr().out


@not_under_wine("it makes no junctions")
def test_data_is_linked_and_nothing_is_replaced(desk: Desk, capsys: Capture, tmp_path: Path) -> None:
    assert desk.data("link") == 2
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "file").write_text("x", encoding="utf-8")
    desk.configure(data_source_root=str(second))
    assert desk.data("link") == 2 and not desk.link.exists()
    desk.configure(data_source_root=str(first))
    assert desk.data("link") == 0 and "leads to" in capsys.readouterr().out
    assert (desk.link / "file").read_text("utf-8") == "x"
    assert desk.data("link") == 0 and "already" in capsys.readouterr().out
    second.mkdir()
    desk.configure(data_source_root=str(second))
    assert desk.data("link") == 0 and "remove it" in capsys.readouterr().out
    assert (desk.link / "file").is_file()
    (first / "file").unlink()
    first.rmdir()  # the link leads nowhere now
    assert desk.data("link") == 0
    assert desk.link.resolve() == second.resolve()


@not_under_wine("it makes no junctions")
def test_another_source_is_linked_and_the_configuration_named(desk: Desk, capsys: Capture, tmp_path: Path) -> None:
    pictures = tmp_path / "my pictures"
    assert desk.data("link", "--source", str(pictures)) == 2
    assert "--source" in capsys.readouterr().err
    pictures.mkdir()
    assert desk.data("link", "--source", str(pictures)) == 0
    assert desk.link.resolve() == pictures.resolve()
    assert "Set data_source_root" in capsys.readouterr().err
    desk.configure(data_source_root=str(pictures))
    (desk.root / "near").mkdir()
    assert desk.data("link", "--source", "near") == 0  # what is there is not replaced
    assert "remove it" in capsys.readouterr().out and desk.link.resolve() == pictures.resolve()
    assert desk.data("link", "--source", str(pictures)) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_of_ones_own_is_left_alone(desk: Desk, capsys: Capture, tmp_path: Path) -> None:
    desk.link.mkdir()
    desk.configure(data_source_root=str(tmp_path))
    assert desk.data("link") == 0
    assert "is no link: it is used as it is" in capsys.readouterr().out and list(desk.link.iterdir()) == []


@not_under_wine("it makes no junctions")
def test_a_start_makes_the_link(workspace: Callable[..., Path], clean_environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    root = workspace(data_source_root=str(tmp_path / "pictures"))
    script(root, {}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("daemon_started")
        loop.interrupt()
        _, _, said = loop.finish()
    link = load_config(root / "config" / "daemon_config.json", root, {}).training_repo_root / "data"
    assert link.resolve() == tmp_path / "pictures"
    assert f"data: {link} leads to {tmp_path / 'pictures'} now" in said
