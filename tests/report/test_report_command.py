"""``python -m llm_loop.report``, as a person, a script or a finish-up calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.result import Direction
from llm_loop.report.making import Wish, gather, write_report
from llm_loop.report.places import standard_places
from tests.conftest import eventually
from tests.report.nights import METRIC, Night, a_night, a_png
from tests.views.workspace_builder import WorkspaceBuilder

ARTIFACTS = (
    "final_condensed_story.md",
    "final_paper_report.md",
    "final_leaderboard_top10.json",
    "final_leaderboard_top10.md",
    "final_report.html",
)
GENERATED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def report(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop.report", "--workspace-root", str(workspace), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "")
    value: dict[str, Any] = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    return value


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_night_leaves_all_files_and_one_line(weird_path: Path, clean_environ: dict[str, str]) -> None:
    night = a_night(weird_path)
    night.curve("R0005", 0.4, 0.82, 0.8)
    (night.folder("R0005") / "predictions.png").write_bytes(a_png())
    night.save()
    before = content_of(weird_path)
    value = said(report(weird_path, clean_environ, "--note", "well done"))
    assert (value["status"], value["top_k"], value["total_ranked_runs"]) == ("ok", 10, 6)
    assert (value["best_run_id"], value["best_run_label"]) == ("R0005", "dice-loss")
    assert (value["best_model_name"], value["workspace_root"]) == ("small_unet", str(weird_path))
    assert all((night.paths.artifacts / name).stat().st_size > 200 for name in ARTIFACTS)
    assert value["outputs"]["html"] == str(night.paths.artifacts / "final_report.html")
    figures = {path.name for path in (night.paths.artifacts / "final_figures").iterdir()}
    assert figures == {
        *("running_best.svg", "curves.svg", "parameter_importance.svg", "slot_use.svg", "predictions.png")
    }
    after = content_of(weird_path)
    assert {name: data for name, data in after.items() if name in before} == before
    assert "Note: well done" in (night.paths.artifacts / "final_condensed_story.md").read_text("utf-8")


def test_the_same_files_give_the_same_bytes_but_for_the_moment(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = a_night(tmp_path)
    night.curve("R0005", 0.4, 0.82, 0.8)
    night.save()
    said(report(tmp_path, clean_environ))
    first = content_of(night.paths.artifacts)
    made = time.strftime("%S")
    eventually(lambda: time.strftime("%S") != made)
    said(report(tmp_path, clean_environ | {"PYTHONHASHSEED": "77"}))
    second = content_of(night.paths.artifacts)
    assert first != second
    assert {name: GENERATED.sub(b"", data) for name, data in first.items()} == {
        name: GENERATED.sub(b"", data) for name, data in second.items()
    }


def test_before_any_run_there_is_a_report_that_says_so(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = Night(tmp_path)
    value = said(report(tmp_path, clean_environ, "--top-k", "3"))
    assert (value["total_ranked_runs"], value["best_run_label"]) == (0, None)
    assert "No run has a result yet" in (night.paths.artifacts / "final_report.html").read_text("utf-8")
    assert json.loads((night.paths.artifacts / "final_leaderboard_top3.json").read_text("utf-8"))["rows"] == []


def test_only_failures_are_told_as_such(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = Night(tmp_path)
    night.run(None, state="failed")
    night.save()
    assert said(report(tmp_path, clean_environ))["total_ranked_runs"] == 0
    assert "1 run failed: exit_code_1" in (night.paths.artifacts / "final_condensed_story.md").read_text("utf-8")


def test_files_of_the_loops_own_making_beside_an_open_run(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    for label, value in (("first", 0.5), ("second", 0.3)):
        run = workspace.stage(label)
        workspace.launch(run)
        workspace.end(run, value)
    workspace.launch(workspace.stage("third"))
    before = content_of(workspace.paths.loop)
    assert said(report(tmp_path, clean_environ))["best_run_label"] == "second"
    after = content_of(workspace.paths.loop)
    assert {name: data for name, data in after.items() if name in before} == before
    story = (workspace.paths.artifacts / "final_condensed_story.md").read_text("utf-8")
    assert "1 run still went on." in story and "may be noise" in story


def test_other_places_for_the_files(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = a_night(tmp_path / "ws")
    night.save()
    places = {name: tmp_path / "out" / name for name in ("story.md", "paper.md", "l.json", "l.md", "r.html")}
    flags = ("condensed-story", "paper-report", "leaderboard-json", "leaderboard-md", "html")
    words = [word for flag, place in zip(flags, places.values(), strict=True) for word in (f"--{flag}-out", str(place))]
    value = said(report(tmp_path / "ws", clean_environ, *words, "--repo-root", str(tmp_path)))
    assert all(place.is_file() for place in places.values())
    assert value["outputs"]["leaderboard_json"] == str(places["l.json"]) and value["repo_root"] == str(tmp_path)
    links = re.findall(r"\]\(([^)]+\.svg)\)", places["paper.md"].read_text("utf-8"))
    assert len(links) == 4 and all((places["paper.md"].parent / link).is_file() for link in links)
    assert not (night.paths.artifacts / "final_report.html").exists()


@pytest.mark.parametrize("words", [["--top-k", "0"], ["--top-k", "101"], ["--top-k", "x"], ["--note", "n" * 2001]])
def test_wrong_usage(words: list[str], tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = report(tmp_path, clean_environ, *words)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_folder_that_is_no_workspace_is_left_alone(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = report(tmp_path, clean_environ)
    assert (done.returncode, done.stdout) == (1, "") and "is no workspace" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    a_night(tmp_path).save()
    (tmp_path / "taken").mkdir()
    done = report(tmp_path, clean_environ, "--html-out", str(tmp_path / "taken"))
    assert done.returncode == 1 and str(tmp_path / "taken") in done.stderr and "Traceback" not in done.stderr


def test_the_leaderboard_has_the_known_keys(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = a_night(tmp_path)
    night.curve("R0005", 0.4, 0.82, 0.8)
    (night.folder("R0005") / "best_model.pt").write_bytes(b"weights")
    night.save()
    said(report(tmp_path, clean_environ, "--top-k", "2"))
    value = json.loads((night.paths.artifacts / "final_leaderboard_top2.json").read_text("utf-8"))
    assert {"generated_utc", "workspace_root", "repo_root", "top_k", "total_ranked_runs"} <= set(value)
    first, second = value["rows"]
    assert {key: first[key] for key in ("run_label", "model_name", "rows_parsed", "status")} == {
        "run_label": "dice-loss",
        "model_name": "small_unet",
        "rows_parsed": 3,
        "status": "ok",
    }
    assert (first["best"], first["latest"]) == ({"epoch": 2, METRIC: 0.82}, {"epoch": 3, METRIC: 0.8})
    assert (second["status"], second["best"], second["rows_parsed"]) == ("no_best_checkpoint", None, 0)
    assert [entry["tied_with_best"] for entry in value["entries"]] == [True, True]


def test_a_sheet_of_an_earlier_winner_goes(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    night = a_night(tmp_path)
    sheet = night.folder("R0005") / "predictions.png"
    sheet.write_bytes(a_png())
    night.save()
    said(report(tmp_path, clean_environ))
    drawn = night.paths.artifacts / "final_figures" / "predictions.png"
    assert drawn.read_bytes() == a_png()
    sheet.unlink()
    said(report(tmp_path, clean_environ))
    assert not drawn.exists()


def test_thousands_of_runs_take_seconds(tmp_path: Path) -> None:
    night = Night(tmp_path, Direction.MAX)
    for number in range(3_000):
        params = {"lr": number % 97 / 97, "width": number % 5, "loss": "abc"[number % 3]}
        night.run(0.5 + (number * 7919 % 1000) / 4000, params=params, interval=(0.4, 0.9), slot=1 + number % 2)
    night.save()
    wish = Wish(top_k=10, note="", repo_root=tmp_path, places=standard_places(night.paths, 10))
    started = time.process_time()
    write_report(gather(night.paths, None, wish, "2026-03-02T06:00:00Z"), wish)
    assert time.process_time() - started < 10
    assert sum(path.stat().st_size for path in night.paths.artifacts.rglob("*") if path.is_file()) < 3_000_000
