"""Names and texts that break what is written for one system only: labels, paths, log lines, output into a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Run, RunState
from llm_loop.stages.launch import next_attempt
from llm_loop.stages.prepare import unique_label
from tests.conftest import FAKES, make_workspace
from tests.loop_process import LoopProcess, script

LABELS = [
    "CON", "con", "aux.txt", "nul", "PRN.log", "COM1", "lpt9.tar.gz", "COM¹", "CONIN$", "NUL .txt", "trailing dot.",
    "trailing space ", "...", " ", "", ".", "..", "a/b\\c", "C:evil", "x&y%PATH%^", 'quo"te', "line\nbreak", "tab\t",
    "a:stream", "日本語 ✓ \N{ROCKET}", "žluťoučký kůň", "x" * 300, "x" * 58 + " ..", "-", "--help", "*?<>|",
]  # fmt: skip
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{name}{number}" for name in ("com", "lpt") for number in "0123456789¹²³"
}
ROOT_LENGTH = 236
LABEL = "学習 ✓ \N{ROCKET} aux.txt"
RUN = Run(
    run_id="R0001",
    label="",
    label_decided="",
    cycle=1,
    cycle_trace_id="C0001-1a2b3c4d",
    state=RunState.STAGED,
    decision={},
    proposer="worker",
    monitor_seconds=60,
    experiment="e",
    staged_seq=1,
    cycle_record={},
)


def test_no_label_becomes_a_file_name_that_windows_refuses(tmp_path: Path) -> None:
    taken: set[str] = set()
    for number, decided in enumerate(LABELS):
        label = unique_label(decided, taken.__contains__)
        assert label not in taken and label
        taken.add(label)
        run = replace(RUN, run_id=f"R{number:04d}", label=label)
        tag = next_attempt(run, datetime(2026, 3, 1, 22, number, tzinfo=UTC)).log_tag
        name = f"{tag}.stdout.log"
        assert name.split(".")[0].rstrip().lower() not in RESERVED and name.isascii()
        assert not set(name) & set('<>:"/\\|?*') and name.isprintable() and len(name) < 120
        (tmp_path / name).write_bytes(b"here")
    assert len(list(tmp_path.iterdir())) == len(LABELS), "each is a file of its own, under the name it was given"


# ---------------------------------------------------------------- a whole loop in a hostile place


@pytest.fixture
def hostile_root(tmp_path: Path) -> Path:
    """A workspace whose path has every kind of letter, and whose files lie beyond 260 characters.

    The root itself is shorter: Windows starts no process in a folder of more than 258 characters.
    """
    root = tmp_path / "it's a [weird] & täst 学習 \N{ROCKET} %PATH%" / "work space"
    root = root.with_name("w s" + "p" * (ROOT_LENGTH - len(str(root.parent)) - 4))
    assert len(str(root)) == ROOT_LENGTH
    assert len(str(WorkspacePaths(root).attempt("R0001", 1) / "exit.json")) > 260
    return make_workspace(root)


def polyglot(value: float) -> dict[str, str]:
    command = f'python "{(FAKES / "polyglot_trainer.py").as_posix()}" {value} "日本 & ^ %PATH% ✓"'
    return {"command": command, "run_label": LABEL, "rationale": "学習 ✓ \N{ROCKET}: try what cp1252 breaks on."}


@pytest.mark.slow
def test_a_loop_in_a_hostile_place(hostile_root: Path, clean_environ: dict[str, str]) -> None:
    script(hostile_root, polyglot(0.5), polyglot(0.4))
    with LoopProcess(hostile_root, clean_environ, "--cycles", "2") as loop:
        code, _, err = loop.finish(120)
        assert code == 0, err
        first, second = loop.history()
    assert (first["state"], second["state"]) == ("completed", "completed")
    assert first["label_decided"] == second["label_decided"] == LABEL
    assert first["label"].startswith("学習") and second["label"] == f"{first['label']}-2"
    assert first["result"]["model"] == "模型 ✓"
    paths = WorkspacePaths(hostile_root)
    log = paths.logs / f"{loop.events('attempt_intended')[0]['attempt']['log_tag']}.stdout.log"
    said = log.read_text(encoding="utf-8")
    assert said.strip() == f"train: ✓ 学習 \N{ROCKET} 日本 & ^ %PATH% ✓ in {paths.attempt('R0001', 1)}"
    assert "žluťoučký ✗" in log.with_name(log.name.replace("stdout", "stderr")).read_text(encoding="utf-8")
    for verb in (["status"], ["status", "--json"], ["watch", "--once"], ["config", "--explain"]):
        told = answer(hostile_root, clean_environ, *verb)
        assert "�" not in told and "?" * 3 not in told
        assert ("学習" if verb[0] != "config" else "täst 学習 \N{ROCKET}") in told.replace("\n", ""), verb
    assert json.loads(answer(hostile_root, clean_environ, "status", "--json"))


def answer(root: Path, environ: dict[str, str], *verb: str) -> str:
    """Return what a verb writes into a pipe whose encoding is cp1252, as pipes are on Windows."""
    narrow = {**environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252", "COLUMNS": "1000"}
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(root), *verb]
    done = subprocess.run(argv, env=narrow, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8")


# ---------------------------------------------------------------- drives


@pytest.fixture
def other_drive() -> Iterator[Path]:
    """A folder on a drive that TEMP is not on."""
    home = Path(tempfile.gettempdir()).drive.upper()
    drives = [f"{letter}:" for letter in "DEFGHYZ" if f"{letter}:" != home]
    for base in [Path(f"{drive}/{folder}") for drive in drives for folder in ("tmp", "temp", "")]:
        if base.is_dir() and os.access(base, os.W_OK):
            folder = Path(tempfile.mkdtemp(prefix="llm_loop other drive ", dir=base))
            yield folder
            shutil.rmtree(folder)
            return
    pytest.skip("no second drive here")


@pytest.mark.skipif(os.name != "nt", reason="drives are Windows'")
def test_a_workspace_on_another_drive_than_temp(other_drive: Path, clean_environ: dict[str, str]) -> None:
    root = make_workspace(other_drive / "work", training_repo_root=".\\sub/..\\repo")
    (root / "sub").mkdir()
    script(root, {"train": "good 0.4"})
    assert root.drive.upper() != Path(tempfile.gettempdir()).drive.upper()
    mixed = str(root).replace("\\", "/", 2).replace("work", ".\\work\\")
    with LoopProcess(Path(mixed), clean_environ, "--cycles", "1") as loop:
        code, _, err = loop.finish()
        assert code == 0, err
        assert [row["state"] for row in loop.history()] == ["completed"]
    assert "completed" in answer(Path(mixed), clean_environ, "status")
