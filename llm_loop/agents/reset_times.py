"""Read when a service wants to be asked again: "try again at 3:56 PM", "in 1.5s", "in 2 hours 5 minutes"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_AT = re.compile(
    r"try again (?:at|after|on) "
    r"(?:(?P<month>[a-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4}),? (?:at )?)?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})\s?(?P<half>[ap]m)?",
    re.IGNORECASE,
)
_IN = re.compile(
    r"(?:try again|retry) in (?:about )?(?P<span>(?:,? ?(?:and )?\d+(?:\.\d+)?\s?[a-z]+)+)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s?([a-z]+)", re.IGNORECASE)
_UNITS_S = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0, "d": 86_400.0}
_WORDS_S = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}
_PASSED_S = 120.0


def seconds_to_reset(message: str, now: datetime) -> float | None:
    """Return how many seconds after ``now`` (aware) the message asks to wait, None when it names no time.

    A time of day without a date is the next one; a time within the last two minutes is 0. Clock times are those of
    this machine, as the client writes them.
    """
    if (span := _IN.search(message)) is not None:
        pieces = [_seconds(number, unit) for number, unit in _PIECE.findall(span["span"])]
        known = [seconds for seconds in pieces if seconds is not None]
        return sum(known) if known else None
    found = _AT.search(message)
    return None if found is None else _until(found, now)


def _seconds(number: str, unit: str) -> float | None:
    word = unit.lower()
    factor = _UNITS_S.get(word) or _UNITS_S.get(word.removesuffix("s")) or _WORDS_S.get(word.removesuffix("s"))
    return None if factor is None else float(number) * factor


def _until(found: re.Match[str], now: datetime) -> float | None:
    local = now.astimezone()
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    try:
        moment = local.replace(tzinfo=None, hour=hour, minute=int(found["minute"]), second=0, microsecond=0)
        if found["month"]:
            month = _MONTHS.index(found["month"][:3].lower()) + 1
            moment = moment.replace(year=int(found["year"]), month=month, day=int(found["day"]))
    except ValueError:
        return None
    seconds = (moment.astimezone() - now).total_seconds()
    if not found["month"] and seconds < -_PASSED_S:
        seconds = ((moment + timedelta(days=1)).astimezone() - now).total_seconds()
    return max(0.0, seconds)
