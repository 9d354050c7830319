"""The wish to finish up: ``FINISH_UP.json``, which a person or a start writes and the loop obeys.

The window opens at the activation and is over at the deadline, by which the report is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from llm_loop.contract import schemas
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.request import json_value
from llm_loop.errors import ContractError
from llm_loop.system.clock import utc_text

LEAST_MINUTES, MOST_MINUTES = 0.5, 10_080.0
MOST_ROUNDS, MOST_PLACES, LONGEST_NOTE = 20, 100, 2_000
_MOST_BYTES = 64_000
_SECOND = 1.01 / 60
"""Moments are written to the second: so much, in minutes, may a window be off."""


class FinishUpStatus(StrEnum):
    """Where a wish to finish up stands."""

    REQUESTED = "requested"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    DONE = "done"
    CLOSED = "closed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing is wished any more."""
        return self in (FinishUpStatus.DONE, FinishUpStatus.CLOSED, FinishUpStatus.CANCELLED)


class ActivationMode(StrEnum):
    """How the moment of the activation was named."""

    IMMEDIATE = "immediate"
    AT_UTC = "scheduled_at_utc"
    IN_MINUTES = "scheduled_in_minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUpWish:
    """Hold what is wished.

    ``activate_at`` and ``deadline`` are aware UTC; ``minutes`` is the length of the window between them. ``rounds`` are
    final training rounds (0 to 20), ``top_k`` the places of the final leaderboard (1 to 100).
    """

    status: FinishUpStatus
    requested: datetime
    activate_at: datetime
    deadline: datetime
    minutes: float
    rounds: int = 1
    top_k: int = 10
    report_now: bool = False
    mode: ActivationMode = ActivationMode.IMMEDIATE
    note: str = ""
    enabled: bool = True

    @property
    def is_open(self) -> bool:
        """Whether the loop shall act on it, now or later."""
        return self.enabled and not self.status.is_over

    def to_json(self) -> dict[str, Any]:
        """Return the file's form, under the names that its users know."""
        return {
            "enabled": self.enabled,
            "status": self.status.value,
            "requested_utc": utc_text(self.requested),
            "activate_at_utc": utc_text(self.activate_at),
            "deadline_utc": utc_text(self.deadline),
            "minutes_left": self.minutes,
            "total_minutes_window": self.minutes,
            "final_training_rounds_target": self.rounds,
            "report_top_k": self.top_k,
            "force_report_now": self.report_now,
            "activation_mode": self.mode.value,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WishDefaults:
    """Hold what a file may leave out: minutes, places, and the moment that stands for "now"."""

    minutes: float
    top_k: int
    now: datetime


def read_wish(path: Path, defaults: WishDefaults) -> FinishUpWish:
    """Return the wish in a file that a person may have edited, with any of PowerShell's encodings.

    Raises FileNotFoundError when there is none, ContractError with all that is wrong of another; the file stays.
    """
    try:
        data = read_outside(path, _MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContractError(path.name, [f"it cannot be read: {error.strerror or error}"]) from error
    return wish_of(json_value(data, path.name), path.name, defaults)


def wish_of(value: Any, subject: str, defaults: WishDefaults) -> FinishUpWish:
    """Check a file's value and build the wish. Raises ContractError."""
    schemas.check("finish_up", value, subject)
    wrong: list[str] = []
    requested = _moment(value, "requested_utc", wrong) or defaults.now
    activate_at = _moment(value, "activate_at_utc", wrong) or requested
    deadline = _deadline(value, activate_at, defaults.minutes, wrong)
    minutes = (deadline - activate_at).total_seconds() / 60
    if not wrong and minutes <= 0:
        wrong.append(f"deadline_utc: {utc_text(deadline)} does not lie behind the activation, {utc_text(activate_at)}")
    elif not wrong and not LEAST_MINUTES - _SECOND <= minutes <= MOST_MINUTES + _SECOND:
        span = f"{LEAST_MINUTES:g} to {MOST_MINUTES:g} minutes"
        wrong.append(f"deadline_utc: {minutes:.2f} minutes behind the activation; a window is {span} long")
    if wrong:
        raise ContractError(subject, wrong)
    modes = {mode.value: mode for mode in ActivationMode}
    return FinishUpWish(
        status=FinishUpStatus(value.get("status", "requested")),
        requested=requested,
        activate_at=activate_at,
        deadline=deadline,
        minutes=minutes,
        rounds=int(value.get("final_training_rounds_target", value.get("last_training_rounds_target", 1))),
        top_k=int(value.get("report_top_k") or defaults.top_k),  # JSON counts 10.0 as a whole number
        report_now=value.get("force_report_now", False) or value.get("immediate_report", False),
        mode=modes.get(value.get("activation_mode", ""), ActivationMode.AT_UTC),
        note=value.get("note", ""),
        enabled=value.get("enabled", True),
    )


def _deadline(value: dict[str, Any], activate_at: datetime, default_minutes: float, wrong: list[str]) -> datetime:
    """Return the deadline: as it is named, or as the minutes say where these alone were changed by hand.

    Whoever writes the file puts the minutes into it twice, so that such a change can be told.
    """
    minutes, asked = value.get("minutes_left"), value.get("total_minutes_window")
    named = _moment(value, "deadline_utc", wrong)
    if named is None:
        return _later(activate_at, minutes or default_minutes, wrong)
    window = (named - activate_at).total_seconds() / 60
    if minutes is not None and asked is not None and minutes != asked and abs(window - asked) <= _SECOND:
        return _later(activate_at, minutes, wrong)
    return named


def _later(moment: datetime, minutes: float, wrong: list[str]) -> datetime:
    try:
        return moment + timedelta(minutes=minutes)
    except OverflowError:
        wrong.append(f"activate_at_utc: {utc_text(moment)} lies too far ahead")
        return moment


def scheduled(run_minutes: float, minutes: float | None, defaults: WishDefaults) -> FinishUpWish:
    """Return the wish to be done ``run_minutes`` from now, the last ``minutes`` of them finishing up.

    A window that is longer than the run opens at once.
    """
    window = min(defaults.minutes if minutes is None else minutes, run_minutes)
    begins = defaults.now + timedelta(minutes=run_minutes - window)
    return window_from(begins, window, defaults, ActivationMode.IN_MINUTES)


def window_from(
    begins: datetime, minutes: float, defaults: WishDefaults, mode: ActivationMode = ActivationMode.IMMEDIATE
) -> FinishUpWish:
    """Return the wish whose window of that many minutes begins at a moment, now or later."""
    return FinishUpWish(
        status=FinishUpStatus.REQUESTED if begins <= defaults.now else FinishUpStatus.SCHEDULED,
        requested=defaults.now,
        activate_at=begins,
        deadline=begins + timedelta(minutes=minutes),
        minutes=minutes,
        top_k=defaults.top_k,
        mode=mode,
    )


def moment_of(text: str) -> datetime:
    """Read ISO 8601, with a zone or as UTC, as an aware UTC time. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)


def _moment(value: dict[str, Any], name: str, wrong: list[str]) -> datetime | None:
    text = value.get(name)
    if text is None:
        return None
    try:
        return moment_of(text)
    except (ValueError, OverflowError):
        wrong.append(f"{name}: {text[:60]!r} is no moment; write it like 2026-01-31T05:30:00Z")
        return None
