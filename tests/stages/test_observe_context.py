"""What observe tells beside the runs: present when it matters, bounded, and whole whatever lies on the disk."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.context import FinishUp, Movement, Streaks
from llm_loop.contract.observation import Observation, Role
from llm_loop.contract.run import RunState
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.stages.observe import observe
from tests.stages.long_campaign import Campaign, history_row, make_campaign, running_run, write_rows
from tests.work import calls_of


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make_campaign(tmp_path / "w", 12)


def with_rows(campaign: Campaign, *numbers: int, **last: Any) -> Campaign:
    """Return the campaign with these runs alone; ``last`` changes the last one."""
    rows = [history_row(number) for number in numbers]
    rows[-1:] = [replace(row, **last) for row in rows[-1:]]
    campaign.rows = rows
    campaign.index = HistoryIndex("val_log_loss", campaign.config.selection_direction, rows)
    campaign.state = replace(campaign.state, runs={})
    return campaign


def test_it_is_called_as_before_and_survives_json(campaign: Campaign) -> None:
    plain = observe(Role.WORKER, campaign.plan, campaign.state, campaign.rows, campaign.todos, campaign.config)
    assert plain == campaign.observe()
    told = campaign.observe_proposal(
        streaks=Streaks(trainings_in_a_row=3),
        finish_up=FinishUp(phase="reporting", minutes_left=20.0),
        proposal_code="+ a line",
        new_results_since_challenge=2,
    )
    for observation in (plain, told):
        assert Observation.from_json(json.loads(json.dumps(observation.to_json()))) == observation
    assert told.context.finish_up is not None
    assert (told.proposal_code, told.context.new_results_since_challenge) == ("+ a line", 2)


def test_an_observation_of_an_earlier_version_is_read(campaign: Campaign) -> None:
    value = campaign.observe().to_json()
    del value["context"], value["proposal_code"]
    assert Observation.from_json(value).context.curves == ()


def test_curves_of_the_running_and_the_last_runs(campaign: Campaign) -> None:
    curves = {curve.run_id: curve for curve in campaign.observe().context.curves}
    assert list(curves) == ["R0013", "R0012", "R0011", "R0010"]
    running = curves["R0013"]
    assert (running.is_active, running.epochs_seen, running.epochs) == (True, 30, 30)
    assert (running.first, running.best_epoch, running.movement) == (1.0, 22, Movement.WORSENING)
    assert curves["R0011"].best == campaign.rows[-2].value_of("val_log_loss"), "a result is exact, a sample is not"


def test_a_run_that_only_prints_has_a_curve(campaign: Campaign) -> None:
    run = running_run(99)
    campaign.state = replace(campaign.state, runs={run.run_id: run})
    log = campaign.paths.logs / "log-99.stdout.log"
    log.write_text("loading\n{'epoch': 1, 'val_log_loss': 0.9}\n{'epoch': 2, 'val_log_loss': nan}\n", encoding="utf-8")
    curve = campaign.observe().context.curves[0]
    assert (curve.run_id, curve.best, curve.movement) == ("R0099", 0.9, Movement.NOT_FINITE)


def test_the_log_is_told_when_the_last_run_failed(campaign: Campaign) -> None:
    log = campaign.observe().context.last_log
    assert log is not None
    assert log.run_id == "R0012"
    assert log.text.endswith("ValueError: no such loss\n")
    assert len(log.text) <= 2000
    assert with_rows(campaign, 1, 2).observe().context.last_log is None


def test_the_log_of_a_failed_run_is_named_by_the_loop_alone(campaign: Campaign) -> None:
    campaign.state = replace(campaign.state, last_completed_run={"run_id": "R0012", "status": "failed"})
    assert campaign.observe().context.last_log is None


def test_the_storyline_is_told_in_trouble_alone(campaign: Campaign) -> None:
    story = with_rows(campaign, 1, 2).observe().context.storyline
    assert story is None
    waiting = replace(campaign.state, waits_in_a_row=3)
    told = campaign.observe(state=waiting).context.storyline
    assert told is not None
    assert "trace=C0011" in told
    assert len(told) <= 2000


def test_both_sections_of_the_workpad_are_told(campaign: Campaign) -> None:
    text = campaign.paths.workpad.read_text(encoding="utf-8") + "- last finding\n" * 2000
    campaign.paths.workpad.write_text(text, encoding="utf-8", newline="\r\n")
    told = campaign.observe().context.workpad
    assert len(told) <= 6010
    assert "note 11" in told
    assert told.index("## Notes") < told.index("## Data Exploration") < told.index("- last finding")
    assert "\r" not in told


def test_mentor_notes_are_for_the_worker(campaign: Campaign) -> None:
    assert "Cycle 0011" in campaign.observe().context.mentor_notes
    assert campaign.observe_proposal().context.mentor_notes == ""


def test_missions(campaign: Campaign) -> None:
    root = campaign.config.workspace_root
    (root / "WORKER_MISSION.md").write_text("\ufeff# Do\n" + "x" * 5000, encoding="utf-8")
    mission = campaign.observe().context.mission
    assert mission is not None
    assert (mission.text[:4], len(mission.text), mission.is_cut) == ("# Do", 4000, True)
    (root / "WORKER_MISSION.md").unlink()
    (root / "AGENTS.md").write_text("for all", encoding="utf-8")
    mission = campaign.observe().context.mission
    assert mission is not None
    assert (mission.file, mission.text) == ("AGENTS.md", "for all")
    (root / "AGENTS.md").unlink()
    (root / "WORKER_MISSION.md").mkdir()
    mission = campaign.observe().context.mission
    assert mission is not None
    assert mission.text == ""
    assert "WORKER_MISSION.md cannot be read" in str(mission.notice)


def test_no_history_and_rechallenge(campaign: Campaign, tmp_path: Path) -> None:
    fresh = make_campaign(tmp_path / "fresh", 0).observe().context
    assert (fresh.has_no_history, fresh.is_rechallenged) == (True, False)
    assert with_rows(campaign, 1, state="failed", result=None).observe().context.has_no_history
    idle = with_rows(campaign, 1, 2)
    assert idle.observe().context.is_rechallenged
    run = replace(running_run(3), state=RunState.STAGED)
    assert not idle.observe(state=replace(idle.state, runs={"R0003": run})).context.is_rechallenged
    idle.config = replace(idle.config, rechallenge_on_done=False)
    assert not idle.observe().context.is_rechallenged


def test_todo_focus_and_the_whole_count(campaign: Campaign) -> None:
    observation = campaign.observe()
    assert observation.open_todo_count == 60
    assert observation.context.todo_focus == tuple(f"C{n:04d}-W01" for n in (0, 1, 2, 3, 56, 57, 58, 59))
    assert observation.context.priorities.todo_pressure == 1.0


def test_notes_of_the_review_reach_the_mentor(campaign: Campaign) -> None:
    plan = replace(campaign.plan, review_reasons=("cadence_every_4", "architecture_alternatives", "no_new_evidence"))
    context = campaign.observe(Role.MENTOR, plan=plan).context
    assert context.wants_architecture_alternatives
    assert context.new_results_since_challenge == 0


@pytest.mark.parametrize("needs_network", [True, False])
def test_a_web_search_is_asked_for_where_it_can_be_made(campaign: Campaign, needs_network: bool) -> None:
    campaign.config = replace(
        campaign.config, mentor_require_web_search=True, mentor_network_access_enabled=needs_network
    )
    assert campaign.observe_proposal().context.frame.must_search_web is needs_network
    assert campaign.observe().context.frame.must_search_web is False


def test_whatever_lies_there_is_no_trouble(campaign: Campaign) -> None:
    paths = campaign.paths
    for path in (paths.workpad, paths.storyline, paths.mentor_notes):
        path.unlink()
    paths.workpad.mkdir()
    paths.mentor_notes.write_bytes(b"\xff\xfe\x00 notes")
    paths.leaderboard_json.write_text(
        '{"metric": "val_log_loss", "direction": "min", "entries": [7]}', encoding="utf-8"
    )
    curve = paths.attempt("R0013", 1) / "metrics.jsonl"
    curve.write_bytes(b'{"epoch": 1e999}\n{"epoch": 10000000000000}\n[[[\n' + b"\xff" * 50_000)
    if hasattr(os, "mkfifo"):
        pipe = paths.attempt("R0012", 1) / "metrics.jsonl"
        pipe.unlink()
        os.mkfifo(pipe)
    observation = campaign.observe()
    assert observation.context.workpad == ""
    assert "notes" in observation.context.mentor_notes
    assert len(observation.context.leaderboard.places) == 8
    json.dumps(observation.to_json(), allow_nan=False)


def test_gathering_stays_cheap(tmp_path: Path) -> None:
    """Ten thousand cycles: new notes, rows and ranks are read each time, in their tails."""
    work = {}
    for cycles in (1_000, 10_000):
        campaign = make_campaign(tmp_path / f"w{cycles}", cycles)
        rows = campaign.shown_rows()
        campaign.observe(rows=rows)
        write_rows(campaign.paths.attempt(f"R{cycles + 1:04d}", 1) / "metrics.jsonl", 500)
        for path in (campaign.paths.workpad, campaign.paths.storyline, campaign.paths.mentor_notes):
            with path.open("a", encoding="utf-8") as stream:
                stream.write("- one more\n")
        work[cycles] = calls_of(functools.partial(campaign.observe, rows=rows))
        assert len(json.dumps(campaign.observe(rows=rows).to_json())) < 500_000
    assert work[10_000] < 1.2 * work[1_000], work
