"""Telling a person: once a reason, by real programs and a real server, also across a restart; and never an address."""

from __future__ import annotations

import importlib.util
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from llm_loop.config import load_config
from llm_loop.cycle import notifying as module
from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.cycle.context import Context
from llm_loop.cycle.notifying import NO_LIBRARY, Notifying, message_of
from llm_loop.notification import ways
from tests.conftest import FAKES, command_line, eventually
from tests.fakes.fake_notifier import SECRET
from tests.loop_process import set_config
from tests.notification.listener import listening

needs_apprise = pytest.mark.skipif(
    importlib.util.find_spec("apprise") is None, reason="the extra `notify` is not installed"
)
HOSTILE = "$(touch pwned); `touch pwned`\n\x1b[31m%PATH%"


class Desk:
    """Hold a workspace with a person who is told; ``now_s`` is the monotonic time of its ticks."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.context, self.folder = context, folder
        self.now_s = time.monotonic()
        self.notifying = Notifying(context)
        folder.mkdir(exist_ok=True)

    def set(self, **settings: Any) -> None:
        root = self.context.paths.root
        set_config(root, **settings)
        self.context.config = load_config(root / "config" / "daemon_config.json", root, {})

    def set_program(self, mode: str | None = None, **settings: Any) -> None:
        (self.folder / "mode").write_text(mode or "well", encoding="utf-8")
        self.set(notify_command=command_line(FAKES / "fake_notifier.py", self.folder.as_posix()), **settings)

    def call(self, cause: str = "short", why: str = "only 3 MB are free") -> None:
        call_a_person(
            self.context.ledger, phase="disk", cause=cause, why=why, what_to_do="free some", failure="no room"
        )

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += 0.1
            self.notifying.tick(self.now_s)

    def until_told(self, count: int = 1) -> list[dict[str, Any]]:
        """Tick until so many reasons were told or given up."""
        eventually(lambda: (self.tick(), len(self.told()) >= count)[1], 40)
        return self.told()

    def until_idle(self) -> None:
        """Tick until the try in flight has ended."""
        eventually(lambda: (self.tick(), not self.context.jobs.is_open("notify"))[1], 40)

    def told(self) -> list[dict[str, Any]]:
        return [event for event in self.context.ledger.journal.after(0) if event["event"] == "person_notified"]

    def heard(self) -> list[dict[str, Any]]:
        path = self.folder / "heard.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def desk(context: Context, tmp_path: Path) -> Desk:
    return Desk(context, tmp_path / "person")


def outcome(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["id"], event["ways"], event["ok"], event["why"]


def test_each_reason_is_told_once_with_all_that_is_known_of_it(desk: Desk) -> None:
    desk.set_program()
    desk.call(why=HOSTILE)
    desk.call("another")
    assert [outcome(one) for one in desk.until_told(2)] == [
        ("H1", ["command"], True, None),
        ("H2", ["command"], True, None),
    ]
    desk.tick(5)
    first, second = desk.heard()
    said = first["stdin"]
    assert (said["id"], said["schema_version"], second["stdin"]["id"]) == ("H1", 1, "H2")
    assert said["title"] == "llm_loop work space: a person is needed (H1, disk)"
    assert said["body"].splitlines() == [
        "$(touch pwned); `touch pwned` %PATH%",
        "failure: no room",
        "to do: free some",
        f"workspace: {desk.context.paths.root}",
        "when that is done: llm-loop resolve H1",
    ]
    assert first["env"]["LLM_LOOP_NOTIFY_BODY"] == said["body"] and said["reason"]["cause"] == "short"
    assert not list(desk.context.paths.root.rglob("pwned")) and not list(desk.context.paths.jobs.iterdir())


def test_a_restart_tells_nobody_again_and_a_cause_that_comes_back_is_told_anew(desk: Desk) -> None:
    desk.set_program()
    desk.call()
    desk.until_told()
    desk.notifying = Notifying(desk.context)
    desk.tick(5)
    assert not desk.context.jobs.is_open("notify") and len(desk.heard()) == 1
    call_no_longer(desk.context.ledger, "disk", "short", "free again")
    desk.call()
    assert [one["id"] for one in desk.until_told(2)] == ["H1", "H4"]


def test_a_program_that_crashes_is_tried_three_times_with_growing_pauses_and_given_up_once(desk: Desk) -> None:
    desk.set_program("crash")
    desk.call()
    desk.tick()
    desk.until_idle()
    began_s = desk.now_s
    desk.tick(200)
    assert not desk.told() and not desk.context.jobs.is_open("notify") and desk.now_s < began_s + 30
    for pause_s, tries in ((31.0, 2), (301.0, 3)):
        desk.now_s += pause_s
        desk.tick()
        assert desk.context.jobs.is_open("notify")
        desk.until_idle()
        desk.tick(20)
        assert len(desk.heard()) == tries
    desk.now_s += 10_000
    desk.tick(5)
    (given_up,) = desk.told()
    assert outcome(given_up) == ("H1", [], False, "command: it ended with exit code 3")
    assert SECRET not in desk.context.paths.events.read_text(encoding="utf-8")
    desk.notifying = Notifying(desk.context)
    desk.tick(5)
    assert len(desk.told()) == 1 and len(desk.heard()) == 3


def test_a_program_that_stalls_holds_up_no_tick(desk: Desk) -> None:
    desk.set_program("stall")
    desk.call()
    desk.tick()
    eventually(desk.heard)
    began = time.perf_counter()
    desk.tick(50)
    assert time.perf_counter() - began < 1.0 and not desk.told()


def test_a_try_that_is_ended_at_its_deadline_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 6.0)  # three programs start in it
    desk.set_program("stall")
    desk.call()
    desk.tick()
    desk.until_idle()
    assert not desk.told()
    (desk.folder / "mode").write_text("well", encoding="utf-8")
    desk.call("another")
    assert [one["id"] for one in desk.until_told()] == ["H2"], "it has its turn while the first one pauses"
    desk.now_s += 31
    assert outcome(desk.until_told(2)[1]) == ("H1", ["command"], True, None)


def test_a_reason_that_goes_while_it_is_told_is_forgotten(desk: Desk) -> None:
    desk.set_program("crash")
    desk.call()
    desk.tick()
    call_no_longer(desk.context.ledger, "disk", "short", "free again")
    desk.until_idle()
    desk.now_s += 1000
    desk.tick(5)
    assert not desk.told() and not desk.context.jobs.is_open("notify")


def test_new_settings_are_tried_at_once(desk: Desk) -> None:
    desk.set(notify_command="no-such-program-here")
    desk.call()
    desk.tick()
    desk.until_idle()
    desk.set_program()
    assert outcome(desk.until_told()[0]) == ("H1", ["command"], True, None)


def test_nobody_to_tell_costs_nothing_and_whoever_is_set_later_is_told(desk: Desk) -> None:
    desk.call()
    desk.tick(3)
    assert not desk.context.jobs.is_open("notify") and not desk.told()
    desk.set_program()
    assert desk.until_told()[0]["ok"]


def test_a_missing_library_is_one_clear_notice_and_keeps_the_other_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "library_is_there", lambda: False)
    desk.set_program(notify_urls=["json://user:t0ken@127.0.0.1/x", "tgram://t0ken/1"])
    desk.tick(5)
    desk.call()
    (told,) = desk.until_told()
    assert outcome(told) == ("H2", ["command"], False, f"url 1: {NO_LIBRARY}; url 2: {NO_LIBRARY}")
    (notice,) = [one for one in desk.context.ledger.journal.after(0) if one["event"] == "notice"]
    assert "pip install 'llm_loop[notify]'" in notice["text"] and notice["text"].startswith("notify_urls ")
    assert "t0ken" not in desk.context.paths.events.read_text(encoding="utf-8")


@needs_apprise
def test_only_the_way_that_failed_is_tried_again_and_no_address_is_anywhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = []
    real = desk.context.jobs.open

    def spied(name: str, job: str, question: Any, deadline_s: float) -> None:
        questions.append(json.dumps(question))
        real(name, job, question, deadline_s)

    monkeypatch.setattr(desk.context.jobs, "open", spied)
    with listening() as server:
        server.status = 500
        desk.set_program(notify_urls=[server.url("t0ken")])
        desk.call()
        desk.tick()
        desk.until_idle()
        server.status = 200
        desk.now_s += 31
        assert outcome(desk.until_told()[0]) == ("H1", ["command", "url 1"], True, None)
        assert [one["title"] for one in server.heard] == ["llm_loop work space: a person is needed (H1, disk)"] * 2
    assert len(desk.heard()) == 1 and len(questions) == 2
    assert "t0ken" not in "".join(questions) and "fake_notifier" not in "".join(questions)
    for file in desk.context.paths.loop.rglob("*"):
        assert not file.is_file() or "t0ken" not in file.read_text(encoding="utf-8", errors="replace"), file


@needs_apprise
def test_an_address_where_nobody_is_is_given_up_without_it(desk: Desk) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    desk.set(notify_urls=[f"json://user:t0ken@127.0.0.1:{port}/t0ken", "t0ken"])
    desk.notifying = Notifying(desk.context, pauses_s=())
    desk.call()
    (given_up,) = desk.until_told()
    assert given_up["why"] == "url 1: no connection; url 2: the library does not know this kind of address"
    assert "t0ken" not in desk.context.paths.events.read_text(encoding="utf-8")


def test_a_message_is_bounded_whatever_a_training_said(desk: Desk) -> None:
    long = "x" * 100_000
    call_a_person(
        desk.context.ledger,
        phase="execution",
        cause="crashed",
        why=long,
        what_to_do=long,
        attempted=long,
        failure=long,
        log=long,
        run_id="R0007",
        subject="timm",
    )
    (reason,) = desk.context.ledger.state.interventions.reasons
    message = message_of(reason, desk.context.paths.root)
    assert message.title.endswith("(H1, execution, R0007, timm)") and len(message.body) < 5000


def test_a_night_of_failures_is_no_night_of_messages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AN_HOUR", 2)
    desk.set_program()
    for number in range(4):
        desk.call(cause=f"cause {number}")
    desk.until_told(2)
    desk.tick(20)
    assert not desk.context.jobs.is_open("notify") and len(desk.told()) == 2
    call_a_person(
        desk.context.ledger, phase="execution", cause="driver", why="it is gone", what_to_do="look", is_global=True
    )
    desk.until_told(3)  # that one does not wait
    desk.now_s += 3600.0
    assert len(desk.until_told(5)) == 5
