"""``llm-loop leaderboard``, as a person or a program calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.history import HistoryRow
from llm_loop.system import files
from tests.memory.test_leaderboard import run

ESCAPES = "\x1b]0;owned\x07\x1b[31mred | \u202egnp.exe"


def leaderboard(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "leaderboard", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


def with_history(workspace: Path, *rows: HistoryRow) -> Path:
    path = WorkspacePaths(workspace).history
    path.parent.mkdir(parents=True)
    for row in rows:
        files.append_line(path, files.json_text(row.to_json()))
    return path


def some_runs() -> list[HistoryRow]:
    repeated = [run(1, 0.30, lr=0.1, seed=0), run(2, 0.31, lr=0.1, seed=1), run(3, 0.32, lr=0.1, seed=2)]
    return [*repeated, run(4, 0.325, lr=0.2), run(5, 0.9, lr=0.3), run(6, None, state="failed")]


def test_seeds_stand_together_ties_are_named_and_failures_apart(
    weird_path: Path, clean_environ: dict[str, str]
) -> None:
    with_history(weird_path, *some_runs())
    done = leaderboard(weird_path, clean_environ)
    assert (done.returncode, done.stderr) == (0, "")
    head, columns, *lines = done.stdout.splitlines()
    assert head == "Leaderboard by val_log_loss, smaller is better: 5 ranked runs of 3 configurations"
    assert columns.split("  ")[1] == "#" and "config" in columns
    assert lines[0].split()[:6] == ["1", "0.31", "±", "0.01", "3", "best,"] and "R0001, R0002, R0003" in lines[0]
    assert lines[1].split()[:4] == ["2", "0.325", "1", "tied"]
    assert lines[2].split()[:4] == ["3", "0.9", "1", "no"]
    assert any(line.startswith("Tied by seeds") for line in lines)
    assert any(line.startswith("Scores are self_reported") for line in lines)
    assert lines[-2:] == ["Not ranked: 1 failed. The last of them:", "  R0006 run-6: failed (exit_code)"]


def test_top_cuts_and_says_what_it_left_out(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    with_history(tmp_path, *some_runs())
    done = leaderboard(tmp_path, clean_environ, "--top", "1")
    assert "2 more below: --top shows them." in done.stdout.splitlines()
    assert "R0005" not in done.stdout


def test_json_is_the_whole_ranking(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    with_history(tmp_path, *some_runs())
    value = json.loads(leaderboard(tmp_path, clean_environ, "--json").stdout)
    assert (value["schema_version"], value["metric"], value["ranked_runs"]) == (1, "val_log_loss", 5)
    assert [entry["value"] for entry in value["entries"]] == [pytest.approx(0.31), 0.325, 0.9]
    assert [entry["tied_with_best"] for entry in value["entries"]] == [True, True, False]
    assert value["apart_counts"] == {"failed": 1}


def test_before_anything_ended(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    assert leaderboard(tmp_path, clean_environ).stdout == "No run has ended yet.\n"
    value = json.loads(leaderboard(tmp_path, clean_environ, "--json").stdout)
    assert value == {"schema_version": 1, "metric": None, "entries": []}


def test_a_damaged_line_is_named_and_a_hostile_label_is_text(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    path = with_history(tmp_path, run(1, 0.5, label=ESCAPES))
    with path.open("ab") as stream:
        stream.write(b'{"schema_version": 1, "run_id"\n')
    done = leaderboard(tmp_path, clean_environ)
    assert done.returncode == 0 and "is not a history row" in done.stderr and str(path) in done.stderr
    assert not set("\x1b\x07\u202e") & set(done.stdout) and "gnp.exe" in done.stdout


@pytest.mark.parametrize("places", ["0", "-3", "1001", "ten", "1.5"])
def test_no_number_of_places(tmp_path: Path, clean_environ: dict[str, str], places: str) -> None:
    done = leaderboard(tmp_path, clean_environ, f"--top={places}")
    assert (done.returncode, done.stdout) == (2, "") and "no number of places: give 1 to 1000" in done.stderr
