"""The wish to finish up as a file: written by a program, edited by a person, in any encoding, broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.finish_up import (
    LEAST_MINUTES,
    LONGEST_NOTE,
    MOST_MINUTES,
    MOST_PLACES,
    MOST_ROUNDS,
    ActivationMode,
    FinishUpStatus,
    FinishUpWish,
    WishDefaults,
    moment_of,
    read_wish,
    wish_of,
)
from llm_loop.contract.schemas import load_schema
from llm_loop.errors import ContractError

NOW = datetime(2026, 3, 1, 22, 0, 0, tzinfo=UTC)
DEFAULTS = WishDefaults(minutes=45.0, top_k=7, now=NOW)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def wish(**value: Any) -> FinishUpWish:
    return wish_of(value, "FINISH_UP.json", DEFAULTS)


def refusal(**value: Any) -> str:
    with pytest.raises(ContractError) as caught:
        wish(**value)
    return str(caught.value)


FULL = FinishUpWish(
    status=FinishUpStatus.SCHEDULED,
    requested=NOW,
    activate_at=at(420),
    deadline=at(480),
    minutes=60.0,
    rounds=2,
    top_k=5,
    report_now=True,
    mode=ActivationMode.IN_MINUTES,
    note='say "cracks" \\ <b>&\nend \u2603 \U0001f600',
)


def test_what_is_written_is_what_is_read() -> None:
    assert wish(**FULL.to_json()) == FULL
    assert wish(**json.loads(json.dumps(FULL.to_json()))) == FULL
    assert set(FULL.to_json()) <= set(load_schema("finish_up")["properties"])


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_any_shell_may_have_written_it(tmp_path: Path, encoding: str, mark: bytes, line_end: str) -> None:
    text = json.dumps(FULL.to_json(), indent=2, ensure_ascii=False).replace("\n", line_end) + line_end
    path = tmp_path / "FINISH_UP.json"
    path.write_bytes(mark + text.encode(encoding))
    assert read_wish(path, DEFAULTS) == FULL


def test_an_empty_object_is_a_wish_for_now() -> None:
    assert wish() == FinishUpWish(
        status=FinishUpStatus.REQUESTED,
        requested=NOW,
        activate_at=NOW,
        deadline=at(45),
        minutes=45.0,
        top_k=7,
        mode=ActivationMode.AT_UTC,
    )
    assert wish(somebody="else", mode_of_mine=[1]).is_open  # what it does not know is no harm


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "half": (b'{"status": "requ', "not JSON (line 1"),
    "comma": (b'{"status": "requested",}', "not JSON"),
    "a list": (b"[]", "type"),
    "NaN": (b'{"minutes_left": NaN}', "NaN"),
    "no text": (b'{"note": "\xff\xfe\xfa"}', "not UTF-8"),
    "deep": (b"[" * 60_000, "not JSON"),
    "huge number": (b'{"report_top_k": ' + b"9" * 5_000 + b"}", "not JSON"),
    "large": (b" " * 70_000 + b"{}", "larger than"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_with_the_reason_and_stays(tmp_path: Path, kind: str) -> None:
    data, reason = BROKEN[kind]
    path = tmp_path / "FINISH_UP.json"
    path.write_bytes(data)
    with pytest.raises(ContractError, match=r"^FINISH_UP\.json: ") as caught:
        read_wish(path, DEFAULTS)
    assert reason in str(caught.value)
    assert path.read_bytes() == data


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_wish(tmp_path, DEFAULTS)
    with pytest.raises(FileNotFoundError):
        read_wish(tmp_path / "FINISH_UP.json", DEFAULTS)


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("minutes_left", LEAST_MINUTES, MOST_MINUTES),
        ("final_training_rounds_target", 0, MOST_ROUNDS),
        ("last_training_rounds_target", 0, MOST_ROUNDS),
        ("report_top_k", 1, MOST_PLACES),
    ],
)
def test_ranges(key: str, least: float, most: float) -> None:
    for good in (least, most):
        assert wish(**{key: good}).is_open
    for bad in (least - 0.25 if key == "minutes_left" else least - 1, most + 1, "60", True, [1]):
        assert key in refusal(**{key: bad})
    schema = load_schema("finish_up")["properties"][key]
    assert (schema["minimum"], schema["maximum"]) == (least, most)


@pytest.mark.parametrize(
    "wrong",
    [
        {"enabled": "false"},
        {"enabled": None},
        {"status": "Scheduled"},
        {"status": "running"},
        {"force_report_now": 1},
        {"note": None},
        {"note": "x" * (LONGEST_NOTE + 1)},
        {"activate_at_utc": 5},
        {"activate_at_utc": "tonight"},
        {"deadline_utc": "2026-13-01T00:00:00Z"},
        {"requested_utc": ""},
    ],
)
def test_wrong_values_are_named(wrong: dict[str, Any]) -> None:
    assert next(iter(wrong)) in refusal(**wrong)


def test_every_wrong_moment_is_named_at_once() -> None:
    said = refusal(activate_at_utc="soon", deadline_utc="later")
    assert "activate_at_utc" in said and "deadline_utc" in said and "2026-01-31T05:30:00Z" in said


def test_whole_numbers_are_whole_numbers() -> None:
    made = wish(report_top_k=5.0, final_training_rounds_target=2.0)
    assert (repr(made.top_k), repr(made.rounds)) == ("5", "2")


def test_older_names() -> None:
    assert wish(last_training_rounds_target=3).rounds == 3
    assert wish(last_training_rounds_target=3, final_training_rounds_target=0).rounds == 0
    assert wish(immediate_report=True).report_now and not wish().report_now


@pytest.mark.parametrize("status", FinishUpStatus)
def test_what_is_open(status: FinishUpStatus) -> None:
    over = {"done", "closed", "cancelled"}
    assert wish(status=status.value).is_open is (status.value not in over)
    assert not wish(status=status.value, enabled=False).is_open


# ---------------------------------------------------------------- moments


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T23:30:00Z",
        "2026-03-01T23:30:00",
        "2026-03-01 23:30",
        " 2026-03-02T01:30:00+02:00 ",
        "20260301T2330Z",
    ],
)
def test_moments_with_a_zone_and_without_one_which_are_utc(text: str) -> None:
    assert moment_of(text) == at(90)
    assert moment_of(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "now", "23:30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\x00"])
def test_what_is_no_moment(text: str) -> None:
    assert "activate_at_utc" in refusal(activate_at_utc=text)


def test_a_window_at_the_end_of_time_is_refused() -> None:
    assert "too far ahead" in refusal(activate_at_utc="9999-12-31T23:59:00Z")


def test_the_minutes_stand_where_no_deadline_is_named() -> None:
    made = wish(activate_at_utc="2026-03-01T23:00:00Z", minutes_left=0.5)
    assert (made.activate_at, made.deadline, made.minutes) == (at(60), at(60.5), 0.5)


def test_a_named_deadline_stands() -> None:
    made = wish(deadline_utc="2026-03-01T22:10:00Z", minutes_left=60)
    assert (made.deadline, made.minutes) == (at(10), 10.0)


@pytest.mark.parametrize("deadline", ["2026-03-01T22:00:00Z", "2026-03-01T21:00:00Z", "2026-03-01T22:00:10Z"])
def test_a_deadline_before_the_window_or_too_near_is_refused(deadline: str) -> None:
    assert "deadline_utc" in refusal(deadline_utc=deadline)


def test_a_deadline_too_far_behind_the_activation_is_refused() -> None:
    assert "0.5 to 10080 minutes" in refusal(deadline_utc="2027-03-01T22:00:00Z")


@pytest.mark.parametrize("minutes", [0.5, 30, 60.25, 600])
def test_minutes_changed_by_hand_move_the_deadline(minutes: float) -> None:
    edited = FULL.to_json() | {"minutes_left": minutes}
    made = wish(**edited)
    assert (made.activate_at, made.deadline) == (FULL.activate_at, FULL.activate_at + timedelta(minutes=minutes))


def test_a_deadline_changed_by_hand_stands_and_so_does_one_changed_with_the_minutes() -> None:
    assert wish(**FULL.to_json() | {"deadline_utc": "2026-03-02T06:30:00Z"}).deadline == at(510)
    both = {"deadline_utc": "2026-03-02T06:30:00Z", "minutes_left": 10}
    assert wish(**FULL.to_json() | both).deadline == at(510)


def test_an_activation_changed_by_hand_leaves_the_deadline() -> None:
    made = wish(**FULL.to_json() | {"activate_at_utc": "2026-03-02T05:30:00Z"})
    assert (made.deadline, made.minutes) == (FULL.deadline, 30.0)


def test_parts_of_a_second_do_not_matter() -> None:
    odd = NOW + timedelta(microseconds=999_999)
    made = FinishUpWish(
        status=FinishUpStatus.REQUESTED,
        requested=odd,
        activate_at=odd,
        deadline=odd + timedelta(minutes=LEAST_MINUTES, microseconds=2),
        minutes=LEAST_MINUTES,
    )
    assert abs(wish(**made.to_json()).minutes - LEAST_MINUTES) <= 1.01 / 60
