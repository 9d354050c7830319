"""What the flags of a finish-up take: minutes, rounds, places, a note, a moment."""

from __future__ import annotations

import argparse
import math
import os
from datetime import datetime

from llm_loop.contract.finish_up import (
    LEAST_MINUTES,
    LONGEST_NOTE,
    MOST_MINUTES,
    MOST_PLACES,
    MOST_ROUNDS,
    moment_of,
)
from llm_loop.errors import ConfigError
from llm_loop.views.untrusted import clean

MOST_HOURS = 24 * 31.0
NOTE_VARIABLE = "LLM_LOOP_NOTE"


def minutes(text: str) -> float:
    """Read the length of a window in minutes. Raises ArgumentTypeError, as all of these."""
    return _number(text, LEAST_MINUTES, MOST_MINUTES, "minutes")


def delay(text: str) -> float:
    """Read in how many minutes a window opens."""
    return _number(text, 0, MOST_HOURS * 60, "minutes")


def hours(text: str) -> float:
    """Read how many hours a night has."""
    return _number(text, LEAST_MINUTES / 60, MOST_HOURS, "hours")


def rounds(text: str) -> int:
    """Read a number of final training rounds."""
    return _whole(text, 0, MOST_ROUNDS, "rounds")


def places(text: str) -> int:
    """Read a number of places of the final leaderboard."""
    return _whole(text, 1, MOST_PLACES, "places")


def note(text: str) -> str:
    """Take a person's words."""
    if len(text) > LONGEST_NOTE:
        raise argparse.ArgumentTypeError(f"the note has {len(text)} characters; at most {LONGEST_NOTE} are kept")
    return text


def words(given: str | None) -> str:
    """Return the note that was given, else that of the environment: what a shell breaks arrives whole there.

    Raises ConfigError.
    """
    if given is not None:
        return given
    try:
        return note(os.environ.get(NOTE_VARIABLE, ""))
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{NOTE_VARIABLE}: {error}") from error


def moment(text: str) -> datetime:
    """Read a moment, ISO 8601, UTC where it names no zone."""
    try:
        return moment_of(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{clean(text, 60)!r} is no moment: write 2026-01-31T05:30:00Z") from None


def _number(text: str, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is no number of {what}: give {least:g} to {most:g}")
    return value


def _whole(text: str, least: int, most: int, what: str) -> int:
    value = _number(text, least, most, what)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is no whole number of {what}")
    return int(value)
