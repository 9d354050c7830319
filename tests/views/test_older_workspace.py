"""A workspace that an older version left behind is shown, before a start and after it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.folding import apply_all
from llm_loop.memory.state import LoopState
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.views.lines import PlainLines
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.run_story import read_story
from llm_loop.views.run_story_lines import story_lines
from llm_loop.views.terminal import print_screen, screen_console
from tests.memory.old_journal import old_journal, old_state


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    paths = WorkspacePaths(tmp_path)
    paths.logs.mkdir(parents=True)
    events = old_journal()
    paths.events.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    rows = [event["row"] | {"seq": event["seq"]} for event in events if event["event"] == "run_ended"]
    paths.history.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def page_of(paths: WorkspacePaths) -> str:
    stream = io.StringIO()
    print_screen(screen_console(stream), SnapshotReader(paths, SystemClock(), {}).take())
    return stream.getvalue()


def test_before_the_first_start(paths: WorkspacePaths) -> None:
    state = apply_all(LoopState(), old_journal()).to_json()
    files.replace_json(paths.state, {"loop": old_state(state)})
    snapshot = SnapshotReader(paths, SystemClock(), {}).take()
    assert [note for note in snapshot.notes if "not a state of this version" in note]
    assert [(one.cycle, one.outcome) for one in snapshot.decisions] == [(1, "completed"), (2, "completed")]
    assert snapshot.best is not None and snapshot.best.run_id == "R0002"
    assert snapshot.agents.roles == ()
    page = page_of(paths)
    assert "C0002" in page and "challenge, applied" in page
    json.dumps(snapshot.to_json(), allow_nan=False)


def test_after_it(paths: WorkspacePaths) -> None:
    files.replace_json(paths.state, {"loop": apply_all(LoopState(), old_journal()).to_json()})
    snapshot = SnapshotReader(paths, SystemClock(), {}).take()
    assert snapshot.notes == () and [run.run_id for run in snapshot.runs] == ["R0003"]
    assert [(role.role, role.calls) for role in snapshot.agents.roles] == [("mentor", 1), ("worker", 4)]
    assert "mentor: due 1 time; 1 challenge, 1 adopted" in page_of(paths)
    json.dumps(snapshot.to_json(), allow_nan=False)


def test_plain_lines(paths: WorkspacePaths) -> None:
    said: list[str] = []
    clock = SystemClock()
    snapshot = SnapshotReader(paths, clock, {}).take()
    PlainLines(paths, said.append).show(snapshot, clock.utc_now(), clock.monotonic())
    assert any("R0002 R0002-label completed val_log_loss=0.45 (best so far, -0.05)" in line for line in said)


def test_a_run_of_it(paths: WorkspacePaths) -> None:
    lines = list(story_lines(read_story(paths, "R0002")))
    assert lines[0] == "R0002  R0002-label: completed, val_log_loss 0.45"
    assert any("code     version not known, in the training repository itself" in line for line in lines)
