"""The story of a run over journals that a person, a crash or a disk has touched."""

from __future__ import annotations

import pytest

from llm_loop.errors import LoopError
from llm_loop.memory.journal_parts import older_parts
from llm_loop.views.run_story import read_story
from llm_loop.views.run_story_lines import story_lines
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def launched(workspace: WorkspaceBuilder) -> WorkspaceBuilder:
    workspace.launch(workspace.stage("first"))
    return workspace


@pytest.mark.parametrize("word", ["R0002", "", "no such label", "\x1b[31m", '"', "ä", "\udcff"])
def test_what_no_run_is_called(word: str, launched: WorkspaceBuilder) -> None:
    with pytest.raises(LoopError, match="no run ") as caught:
        read_story(launched.paths, word)
    assert str(launched.paths.events) in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_label_leads_to_all_events_of_its_run(launched: WorkspaceBuilder) -> None:
    launched.ledger.record("code_version", run_id="R0001", attempt=1, moment="launch", version="aaa", why=None)
    story = read_story(launched.paths, "first")
    assert story == read_story(launched.paths, "R0001")
    assert (story.code["version"], story.code["repository_version"], len(story.attempts)) == ("aaa", "aaa", 1)


def test_a_place_that_was_made_later(launched: WorkspaceBuilder) -> None:
    launched.ledger.record("code_placed", run_id="R0001", place={"cwd": "/w/R0001-1-ab", "command": "python t.py"})
    assert any("in a checkout, /w/R0001-1-ab" in line for line in story_lines(read_story(launched.paths, "R0001")))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "run_staged", "run": {"run_id": "R0009"}}',
        '{"event": "run_staged", "run": {"run_id": "R0009", "label": 3, "cycle_record": {}}}',
        '{"event": "run_staged", "run": ["R0009"]}',
        '{"event": "run_staged", "run": {"run_id": ["R0009"], "label": "R0009"}}',
        "R0009 {",
        "[" * 5000 + '"R0009"',
    ],
    ids=range(6),
)
def test_a_damaged_journal_is_said_and_other_runs_are_shown(line: str, launched: WorkspaceBuilder) -> None:
    with launched.paths.events.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(LoopError, match=r"events\.jsonl"):
        read_story(launched.paths, "R0009")
    assert read_story(launched.paths, "R0001").label == "first"


def test_a_change_of_any_form_is_shown_as_far_as_it_goes(launched: WorkspaceBuilder) -> None:
    for change in ({"files": [3, {}], "diff": 7}, {"base": []}, {"config_files": ["x"], "diff": "+a"}, [1]):
        story = read_story(launched.paths, "R0001")
        story.code["change"] = change
        assert list(story_lines(story))


def test_a_story_over_parts_of_the_journal(workspace: WorkspaceBuilder) -> None:
    workspace.ledger.journal.rotate_bytes = 1
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.end(run, 0.3)
    assert len(older_parts(workspace.paths.events)) > 4
    story = read_story(workspace.paths, "first")
    assert story == read_story(workspace.paths, "R0001")
    assert (story.state, len(story.attempts)) == ("completed", 1)
    workspace.paths.events.unlink()
    assert read_story(workspace.paths, "R0001").state == "completed", "its last event is the cycle's"
