"""``llm-loop finishup``: write, show and take away the wish, from flags, a note that a shell would break, and files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.cli import main
from llm_loop.contract.finish_up import FinishUpWish, WishDefaults, read_wish, scheduled
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.views.finish_up_lines import wish_lines

Capture = pytest.CaptureFixture[str]
SECOND = timedelta(seconds=1.01)


class Desk:
    """A workspace and the verb in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = WorkspacePaths(root)
        root.mkdir(parents=True)

    def finishup(self, *words: str) -> int:
        return main(["--workspace", str(self.root), "finishup", *words])

    def wish(self) -> FinishUpWish:
        defaults = WishDefaults(minutes=1.0, top_k=1, now=datetime.now(UTC))
        return read_wish(self.paths.finish_up, defaults)

    def configure(self, **values: Any) -> None:
        (self.root / "config").mkdir(exist_ok=True)
        (self.root / "config" / "daemon_config.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("LLM_LOOP_NOTE", raising=False)
    return Desk(tmp_path / "a work & space")


def near(moment: datetime, other: datetime) -> bool:
    return abs(moment - other) < timedelta(seconds=20)


def test_without_flags_it_begins_now_with_what_is_configured(desk: Desk, capsys: Capture) -> None:
    desk.configure(finishup_default_minutes_left=90, finishup_default_report_top_k=4)
    assert desk.finishup() == 0
    wish, now = desk.wish(), datetime.now(UTC)
    assert (wish.status, wish.minutes, wish.rounds, wish.top_k, wish.note) == ("requested", 90.0, 1, 4, "")
    assert near(wish.activate_at, now) and near(wish.deadline, now + timedelta(minutes=90))
    said = capsys.readouterr()
    assert "the window is open" in said.out and "the report with 4 places" in said.out
    assert "No loop is running here" in said.err


def test_without_a_configuration_the_shipped_defaults_stand(desk: Desk) -> None:
    assert desk.finishup() == 0
    assert (desk.wish().minutes, desk.wish().top_k) == (60.0, 10)


@pytest.mark.parametrize("configured, minutes", [(2.5, 2.5), (99_999_999, 60.0)])
def test_the_configured_window_counts_where_the_configuration_does(
    desk: Desk, configured: float, minutes: float
) -> None:
    desk.configure(finishup_default_minutes_left=configured)
    assert desk.finishup() == 0
    assert desk.wish().minutes == minutes


def test_a_running_loop_is_not_said_to_be_missing(desk: Desk, capsys: Capture) -> None:
    with InstanceLock(desk.paths.instance_lock):
        assert desk.finishup() == 0
    assert capsys.readouterr().err == ""


def test_every_flag(desk: Desk, capsys: Capture) -> None:
    words = ("--minutes-left", "0.5", "--final-training-rounds", "0", "--top-k", "3", "--activate-in-minutes", "7.5")
    assert desk.finishup(*words, "--note=-x 'y' \"z\" \\", "--json") == 0
    wish, now = desk.wish(), datetime.now(UTC)
    assert (wish.status, wish.mode, wish.minutes) == ("scheduled", "scheduled_in_minutes", 0.5)
    assert (wish.rounds, wish.top_k, wish.note) == (0, 3, "-x 'y' \"z\" \\")
    assert near(wish.activate_at, now + timedelta(minutes=7.5))
    said = json.loads(capsys.readouterr().out)
    assert said == {"schema_version": 1, **json.loads(desk.paths.finish_up.read_text(encoding="utf-8"))}


def test_a_report_at_once_trains_nothing(desk: Desk, capsys: Capture) -> None:
    assert desk.finishup("--force-report-now", "--final-training-rounds", "5") == 0
    assert (desk.wish().report_now, desk.wish().rounds) == (True, 0)
    assert "The report at once." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "Z", "+00:00"])
def test_a_moment_without_a_zone_is_utc(desk: Desk, text: str) -> None:
    at = (datetime.now(UTC) + timedelta(hours=5)).replace(microsecond=0)
    assert desk.finishup("--activate-at-utc", at.strftime("%Y-%m-%dT%H:%M:%S") + text, "--minutes-left", "30") == 0
    wish = desk.wish()
    assert (wish.activate_at, wish.deadline) == (at, at + timedelta(minutes=30))
    assert (wish.status, wish.mode) == ("scheduled", "scheduled_at_utc")


def test_a_moment_that_is_over_opens_what_is_left_or_is_refused(desk: Desk, capsys: Capture) -> None:
    before = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    assert desk.finishup("--activate-at-utc", before, "--minutes-left", "30") == 0
    assert desk.wish().status == "requested"
    desk.paths.finish_up.unlink()
    assert desk.finishup("--activate-at-utc", before, "--minutes-left", "5") == 2
    assert "over already" in capsys.readouterr().err
    assert not desk.paths.finish_up.exists()


@pytest.mark.parametrize(
    ("hours", "minutes", "opens_in", "window"),
    [("8", None, 420, 60), ("8", "90", 390, 90), ("0.5", "60", 0, 30), ("1", "60", 0, 60), ("0.01", None, 0, 0.6)],
)
def test_run_hours(desk: Desk, hours: str, minutes: str | None, opens_in: float, window: float) -> None:
    more = () if minutes is None else ("--minutes-left", minutes)
    assert desk.finishup("--run-hours", hours, *more) == 0
    wish, now = desk.wish(), datetime.now(UTC)
    assert near(wish.activate_at, now + timedelta(minutes=opens_in))
    assert near(wish.deadline, now + timedelta(hours=float(hours)))
    assert abs(wish.minutes - window) <= 1.01 / 60
    assert wish.status == ("scheduled" if opens_in else "requested")


def test_a_window_longer_than_the_run_opens_at_once_and_ends_with_it() -> None:
    now = datetime(2026, 3, 1, 22, 0, 0, tzinfo=UTC)
    wish = scheduled(10.0, 60.0, WishDefaults(minutes=60.0, top_k=10, now=now))
    assert (wish.activate_at, wish.deadline, wish.minutes) == (now, now + timedelta(minutes=10), 10.0)
    wish = scheduled(10.0, 3.0, WishDefaults(minutes=60.0, top_k=10, now=now))
    assert (wish.activate_at, wish.deadline) == (now + timedelta(minutes=7), now + timedelta(minutes=10))


@pytest.mark.parametrize(
    "words",
    [
        ("--minutes-left", "0.4"),
        ("--minutes-left", "10081"),
        ("--minutes-left", "nan"),
        ("--minutes-left", "an hour"),
        ("--final-training-rounds", "-1"),
        ("--final-training-rounds", "21"),
        ("--final-training-rounds", "1.5"),
        ("--top-k", "0"),
        ("--top-k", "101"),
        ("--run-hours", "0"),
        ("--run-hours", "inf"),
        ("--run-hours", "745"),
        ("--activate-in-minutes", "-1"),
        ("--activate-at-utc", "tonight"),
        ("--activate-at-utc", "0001-01-01T00:00:00+14:00"),
        ("--note", "x" * 2001),
        ("--run-hours", "8", "--activate-in-minutes", "5"),
        ("--activate-at-utc", "2030-01-01", "--activate-in-minutes", "5"),
        ("--show", "--cancel"),
        ("10",),
    ],
)
def test_wrong_usage_writes_nothing(desk: Desk, words: tuple[str, ...], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        desk.finishup(*words)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err
    assert not desk.paths.loop.exists()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    assert main(["--workspace", str(tmp_path / "none"), "finishup"]) == 2
    assert not (tmp_path / "none").exists()


def test_the_file_is_where_the_configuration_has_it(desk: Desk, capsys: Capture) -> None:
    desk.configure(finishup_control_file="requests/end.json")
    place = desk.root / "requests" / "end.json"
    assert desk.finishup("--note", "there") == 0 and place.is_file() and not desk.paths.finish_up.exists()
    capsys.readouterr()
    assert desk.finishup("--show") == 0 and "Note: there" in capsys.readouterr().out
    assert desk.finishup("--cancel") == 0 and not place.exists()


# ---------------------------------------------------------------- the note


def test_the_note_of_the_environment_arrives_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '-Note "a" %PATH% & \\ ü \U0001f600\nend\\'
    monkeypatch.setenv("LLM_LOOP_NOTE", text)
    assert desk.finishup() == 0
    assert desk.wish().note == text
    assert desk.finishup("--note=") == 0  # a flag wins, an empty one too
    assert desk.wish().note == ""


def test_a_note_of_the_environment_that_is_too_long_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("LLM_LOOP_NOTE", "x" * 2001)
    assert desk.finishup() == 2
    assert "LLM_LOOP_NOTE" in capsys.readouterr().err
    assert not desk.paths.finish_up.exists()


def test_a_note_can_do_nothing_to_a_terminal(desk: Desk, capsys: Capture) -> None:
    assert desk.finishup("--note=\x1b]0;owned\x07\x1b[2Jred\nline") == 0
    assert "\x1b" not in capsys.readouterr().out
    assert desk.wish().note.startswith("\x1b]0;")  # kept as it was given


# ---------------------------------------------------------------- show and cancel


def test_show_and_cancel(desk: Desk, capsys: Capture) -> None:
    assert desk.finishup("--show") == 0
    assert "No finish-up is wished." in capsys.readouterr().out
    desk.finishup("--activate-in-minutes", "60", "--note", "look at R0003")
    before = desk.paths.finish_up.read_bytes()
    capsys.readouterr()
    assert desk.finishup("--show") == 0
    said = capsys.readouterr().out
    assert "(scheduled): the window opens" in said and "Note: look at R0003" in said
    assert desk.finishup("--show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["present"] is True
    assert desk.paths.finish_up.read_bytes() == before
    assert desk.finishup("--cancel", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "cancelled": True}
    assert not desk.paths.finish_up.exists()
    assert desk.finishup("--cancel") == 0
    assert "Nothing to cancel" in capsys.readouterr().out


def test_cancel_beats_writing(desk: Desk) -> None:
    desk.finishup()
    assert desk.finishup("--cancel", "--minutes-left", "5") == 0
    assert not desk.paths.finish_up.exists()


def test_a_wish_that_is_over_is_shown_as_such(desk: Desk, capsys: Capture) -> None:
    desk.finishup()
    wish = desk.wish()
    for change in ({"status": "done"}, {"enabled": False}):
        desk.paths.finish_up.write_text(json.dumps(wish.to_json() | change), encoding="utf-8")
        capsys.readouterr()
        assert desk.finishup("--show") == 0
        assert "nothing is wished any more" in capsys.readouterr().out


def test_a_broken_file_is_shown_with_the_reason_kept_and_can_be_cancelled(desk: Desk, capsys: Capture) -> None:
    desk.finishup()
    desk.paths.finish_up.write_text('{"minutes_left": 0', encoding="utf-8")
    capsys.readouterr()
    assert desk.finishup("--show") == 1
    assert "FINISH_UP.json: not JSON" in capsys.readouterr().err
    assert desk.paths.finish_up.read_text(encoding="utf-8") == '{"minutes_left": 0'
    assert desk.finishup("--cancel") == 0
    assert not desk.paths.finish_up.exists()


def test_a_window_that_is_over_is_said(desk: Desk) -> None:
    desk.finishup("--minutes-left", "1")
    wish = desk.wish()
    later = wish.deadline + timedelta(minutes=5)
    assert "which is over" in wish_lines(wish, later)[0]
    assert wish.deadline - wish.activate_at <= timedelta(minutes=1) + SECOND
