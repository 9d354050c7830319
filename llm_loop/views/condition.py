"""Say how the daemon of a workspace is, from its lock and its heartbeat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from llm_loop.system.clock import parse_utc
from llm_loop.views.untrusted import dict_of, text_of, whole_of

FRESH_S = 10.0


class Condition(StrEnum):
    """How the daemon is: it holds the lock (the first two) or nobody does."""

    RUNNING = "running"
    NOT_RESPONDING = "not responding"
    STOPPED = "stopped"
    DEAD = "dead"
    NEVER_STARTED = "never started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Hold the signs of life that files give.

    ``lock_held`` is None where the lock cannot be looked at. ``lock_taken_ns`` and ``beat_changed_ns``
    are times of change; ``beat`` the heartbeat, ``last_word`` the last ``daemon_started`` or
    ``daemon_ended`` event, both None where there is none. ``beat_age_s`` is the heartbeat's age in seconds awake where
    who wrote it lives on this machine, which no clock that jumps and no sleep makes wrong; else None.
    """

    lock_held: bool | None
    lock_taken_ns: int | None
    beat: dict[str, Any] | None
    beat_changed_ns: int | None
    last_word: dict[str, Any] | None
    beat_age_s: float | None = None

    @property
    def beat_is_own(self) -> bool:
        """Tell whether the heartbeat is of the daemon that took the lock last, not of one before it."""
        if self.beat is None or self.beat_changed_ns is None:
            return False
        if self.beat_age_s is not None and self.beat.get("daemon_status") != "stopped":
            return True
        return self.lock_taken_ns is None or self.beat_changed_ns >= self.lock_taken_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """Hold the daemon's condition and what its heartbeat says.

    ``lock_held`` is None where the lock cannot be looked at. ``silent_s`` is how long ago it gave a sign
    of life, in seconds, while it holds the lock. ``ending`` while it ends what it has; ``reason`` is why
    it ends or ended; ``holds`` why nothing is launched, ``held_back`` why an agent is not asked after failures.
    """

    condition: Condition
    lock_held: bool | None = None
    pid: int | None = None
    version: str | None = None
    phase: str | None = None
    ending: bool = False
    reason: str | None = None
    started_utc: str | None = None
    updated_utc: str | None = None
    ended_utc: str | None = None
    silent_s: float | None = None
    cycle: int | None = None
    cycles_closed: int | None = None
    slots: int | None = None
    holds: dict[str, str] | None = None
    held_back: dict[str, str] | None = None
    error: str | None = None
    config_path: str | None = None

    @property
    def lives(self) -> bool:
        """Tell whether a daemon is there, answering or not."""
        return self.condition in (Condition.RUNNING, Condition.NOT_RESPONDING)


def judge(signs: Signs, now: datetime) -> DaemonStatus:
    """Return the daemon's condition at ``now``.

    Dead is only who holds no lock; a heartbeat older than 10 seconds under a held lock is "not
    responding". A lock newer than the heartbeat is a daemon that has just been started.
    """
    return replace(_judged(signs, now), lock_held=signs.lock_held)


def _judged(signs: Signs, now: datetime) -> DaemonStatus:
    beat = dict_of(signs.beat)
    said_stopped = beat.get("daemon_status") == "stopped"
    if signs.lock_held is False or (signs.lock_held is None and not _is_fresh(signs, beat, now)):
        return _gone(signs, said_stopped)
    if signs.beat_is_own and said_stopped:
        return _of_beat(beat, Condition.STOPPED)
    silent_s = _silence(signs, now)
    condition = Condition.RUNNING if silent_s < FRESH_S else Condition.NOT_RESPONDING
    if not signs.beat_is_own:
        return DaemonStatus(condition=condition, phase="starting", silent_s=silent_s)
    return _of_beat(beat, condition, silent_s)


def _gone(signs: Signs, said_stopped: bool) -> DaemonStatus:
    if signs.beat is not None:
        return _of_beat(signs.beat, Condition.STOPPED if said_stopped else Condition.DEAD)
    word = signs.last_word
    if word is None:
        return DaemonStatus(condition=Condition.NEVER_STARTED)
    at_utc = text_of(word.get("ts_utc"), 40)
    if word["event"] == "daemon_ended":
        return DaemonStatus(condition=Condition.STOPPED, reason=text_of(word.get("reason")), ended_utc=at_utc)
    return DaemonStatus(condition=Condition.DEAD, pid=whole_of(word.get("pid")), started_utc=at_utc)


def _of_beat(beat: dict[str, Any], condition: Condition, silent_s: float | None = None) -> DaemonStatus:
    updated_utc = text_of(beat.get("updated_utc"), 40)
    return DaemonStatus(
        condition=condition,
        pid=whole_of(beat.get("pid")),
        version=text_of(beat.get("version"), 40),
        phase=text_of(beat.get("phase"), 60),
        ending=beat.get("daemon_status") == "ending",
        reason=text_of(beat.get("reason"), 300),
        started_utc=text_of(beat.get("started_utc"), 40),
        updated_utc=updated_utc,
        ended_utc=updated_utc if condition is Condition.STOPPED else None,
        silent_s=silent_s,
        cycle=whole_of(beat.get("cycle")),
        cycles_closed=whole_of(beat.get("cycles_closed")),
        slots=whole_of(beat.get("slots")),
        holds=_sentences(beat.get("holds")),
        held_back=_sentences(beat.get("held_back")),
        error=text_of(beat.get("error"), 300),
        config_path=text_of(beat.get("config_path"), 1000),
    )


def _sentences(value: Any) -> dict[str, str] | None:
    """Return sentences by what they are about, cleaned; None for none."""
    return {str(text_of(key, 40)): text_of(said, 300) or "" for key, said in dict_of(value).items()} or None


def _is_fresh(signs: Signs, beat: dict[str, Any], now: datetime) -> bool:
    age_s = _age(beat, now) if signs.beat_age_s is None else signs.beat_age_s
    return age_s is not None and age_s < FRESH_S and beat.get("daemon_status") != "stopped"


def _silence(signs: Signs, now: datetime) -> float:
    """Return the seconds since the last sign of life: a heartbeat, or the taking of the lock."""
    if signs.beat_age_s is not None and signs.beat_is_own:
        return round(signs.beat_age_s, 1)
    ages = [_age(dict_of(signs.beat), now)] if signs.beat_is_own else []
    if signs.lock_taken_ns is not None:
        ages.append(max(0.0, now.timestamp() - signs.lock_taken_ns / 1e9))
    return round(min((age for age in ages if age is not None), default=0.0), 1)


def _age(beat: dict[str, Any], now: datetime) -> float | None:
    """Return the heartbeat's age in seconds, 0 for one from the future (a clock was set back)."""
    try:
        return max(0.0, (now - parse_utc(str(beat["updated_utc"]))).total_seconds())
    except (KeyError, ValueError, OverflowError):
        return None
