"""Counting sees each kind of loss: a good journal is doctored in one place, and one count is no longer 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.journal_parts import part_path
from llm_loop.selftest.counting import JournalWatch, count_events, count_files, count_words, unparsable
from tests.loop_process import LoopProcess, script

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkspacePaths, Events]:
    """A workspace in which a real loop ran two experiments, and its events."""
    import os

    from tests.conftest import REPOSITORY, make_workspace

    root = make_workspace(tmp_path_factory.mktemp("night") / "work")
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    environ = kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    loop = LoopProcess(root, environ, "--cycles", "2")
    loop.start()
    code, _, err = loop.finish()
    assert code == 0, err
    return loop.paths, loop.events()


def without(events: Events, kind: str) -> Events:
    """Leave out the last event of a kind, numbered anew."""
    last = max(place for place, event in enumerate(events) if event["event"] == kind)
    return numbered(events[:last] + events[last + 1 :])


def twice(events: Events, kind: str) -> Events:
    """Add the last event of a kind once more, numbered anew."""
    return numbered([*events, next(event for event in reversed(events) if event["event"] == kind)])


def numbered(events: Events) -> Events:
    return [event | {"seq": place} for place, event in enumerate(events, 1)]


def ended_as(state: str, events: Events) -> Events:
    return [event | {"state": state} if event["event"] == "run_ended" else event for event in events]


def test_a_good_night_counts_nothing(night: tuple[WorkspacePaths, Events]) -> None:
    paths, events = night
    assert len(events) > 10
    assert set(count_events(events).values()) == {0}
    assert set(count_files(paths, events).values()) == {0}


DOCTORED: dict[str, tuple[str, Callable[[Events], Events]]] = {
    "a line gone": ("gaps in seq", lambda events: events[:3] + events[4:]),
    "a line doubled": ("gaps in seq", lambda events: [*events, events[-1]]),
    "staged twice": ("runs staged twice", lambda events: twice(events, "run_staged")),
    "no end": ("runs without an end", lambda events: without(events, "run_ended")),
    "ended twice": ("runs ended twice", lambda events: twice(events, "run_ended")),
    "lost": ("runs lost", lambda events: ended_as("lost", events)),
    "given up": ("runs lost", lambda events: ended_as("needs_human", events)),
    "open cycle": ("cycles without an end", lambda events: without(events, "cycle")),
    "closed twice": ("cycles closed twice", lambda events: twice(events, "cycle")),
    "intended twice": ("attempts intended twice", lambda events: twice(events, "attempt_intended")),
    "an error": ("errors journaled", lambda events: numbered([*events, {"event": "error", "why": "broken"}])),
}


@pytest.mark.parametrize("name", DOCTORED)
def test_each_loss_of_the_journal_is_seen(name: str, night: tuple[WorkspacePaths, Events]) -> None:
    count, doctor = DOCTORED[name]
    found = count_events(doctor(night[1]))
    assert found.pop(count) >= 1
    assert set(found.values()) == {0}, found


SPOILED: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "history row twice": ("history rows wrong", "history", lambda text: text + text.splitlines(keepends=True)[-1]),
    "history row gone": ("history rows wrong", "history", lambda text: "".join(text.splitlines(keepends=True)[:-1])),
    "summary gone": (
        "summaries wrong",
        "cycle_summaries",
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
    ),
    "story told twice": ("storyline wrong", "storyline", lambda text: text + text),
    "another state": (
        "state.json wrong",
        "state",
        lambda text: text.replace('"cycles_closed": 2', '"cycles_closed": 1'),
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_each_spoiled_file_is_seen(name: str, night: tuple[WorkspacePaths, Events]) -> None:
    paths, events = night
    count, file, spoil = SPOILED[name]
    path: Path = getattr(paths, file)
    good = path.read_text(encoding="utf-8")
    assert spoil(good) != good
    try:
        path.write_text(spoil(good), encoding="utf-8", newline="\n")
        found = count_files(paths, events)
    finally:
        path.write_text(good, encoding="utf-8", newline="\n")
    assert found.pop(count) >= 1
    assert set(found.values()) == {0}, found


def test_a_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    paths.logs.mkdir(parents=True)
    (paths.loop / "good.json").write_text("{}", encoding="utf-8")
    (paths.logs / "half.jsonl").write_text('{"a": 1}\n{"b": ', encoding="utf-8")
    (paths.logs / "events.jsonl.torn-1").write_text('{"b": ', encoding="utf-8")
    assert unparsable(paths) == [paths.logs / "half.jsonl"]


def test_a_line_that_was_once_in_the_journal_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    watch = JournalWatch(path)
    for text, lost in (('{"event": "a"}\n{"ev', 0), ('{"event": "a"}\n{"event": "b"}\n', 0), ('{"event": "a"}\n', 1)):
        path.write_text(text, encoding="utf-8", newline="\n")
        watch.look()
        assert watch.lines_lost == lost
    assert [event["event"] for event in watch.events()] == ["a"]
    assert json.loads(watch.whole_lines()) == {"event": "a"}


def test_lines_of_older_parts_are_in_the_journal_still(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    watch = JournalWatch(path)
    path.write_text('{"seq": 1, "event": "a"}\n', encoding="utf-8", newline="\n")
    watch.look()
    path.rename(part_path(path, 1))
    watch.look()
    path.write_text('{"seq": 2, "event": "b"}\n', encoding="utf-8", newline="\n")
    watch.look()
    assert watch.lines_lost == 0 and [event["event"] for event in watch.events()] == ["a", "b"]
    part_path(path, 1).unlink()
    watch.look()
    assert watch.lines_lost == 1


def test_words_that_came_twice_are_counted() -> None:
    assert count_words(["a worker", "b worker", "a mentor"]) == 0
    assert count_words(["a worker", "b worker", "a worker"]) == 1
