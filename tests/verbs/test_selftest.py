"""``llm-loop selftest``: a small one is well, Ctrl-C leaves nothing, and a loss is a loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import eventually


def start(environ: dict[str, str], temporary: Path, *words: str) -> subprocess.Popen[str]:
    temporary.mkdir()
    environ = environ | {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(temporary / "none"), "selftest", *words]
    return subprocess.Popen(
        argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def belonging_to(folder: Path) -> list[tuple[int, str]]:
    """Return pid and words of the processes whose command or run folder names ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join([*process.cmdline(), process.environ().get("LLM_LOOP_RUN_DIR", "")])
            if str(folder) in words and process.status() != psutil.STATUS_ZOMBIE:
                found.append((process.pid, words))
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.slow
def test_a_small_one_is_well_and_leaves_nothing(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    temporary = tmp_path / "täst folder"
    process = start(clean_environ, temporary, "--minutes", "0.1", "--seed", "1", "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, (out, err)
    value = json.loads(out)
    assert (value["verdict"], value["seed"], value["workspace"]) == ("all well", 1, None)
    assert all(check["ok"] for check in value["checks"]) and len(value["checks"]) > 20
    assert set(value["losses"].values()) == {0}
    done = value["done"]
    assert min(done[name] for name in ("keepers killed", "last lines torn", "state files removed")) >= 1
    assert done["kills at random moments"] >= 4 and done["deaths at a chosen moment"] >= 1
    assert value["runs"] >= 3, "a night without runs shows nothing"
    assert value["stop_s"]["loop"] >= 1.0, "who ignores the polite end has its grace"
    assert list(temporary.iterdir()) == [] and belonging_to(temporary) == []


@pytest.mark.skipif(os.name == "nt", reason="a test has no console there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_it_leaves_nothing(
    number: signal.Signals, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    temporary = tmp_path / "temporary"
    process = start(clean_environ, temporary, "--minutes", "2")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].startswith("ok"), lines
    eventually(lambda: belonging_to(temporary))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert list(temporary.iterdir()) == [] and belonging_to(temporary) == []


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--minutes", "1e9"], ["--minutes", "nan"], ["--seed", "x"]])
def test_what_makes_no_sense_is_refused(words: list[str], tmp_path: Path, clean_environ: dict[str, str]) -> None:
    process = start(clean_environ, tmp_path / "temporary", *words)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2 and "Traceback" not in err


@pytest.mark.chaos
def test_a_whole_one_is_well(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    process = start(clean_environ, tmp_path / "temporary", "--minutes", "0.6", "--seed", "2")
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0 and "All is well" in out, (out, err)
    assert len([line for line in out.splitlines() if line.startswith("ok")]) > 20
