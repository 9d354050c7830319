"""Whether a loop that was ended may be started again by the machine, not by a person.

``llm-loop start --autostarted`` (what ``llm-loop autostart on`` sets up) asks here first. From the journal's end:

- ended on purpose (stopped, a limit, a target): nothing starts it again but a person;
- died, its window closed, log-off, shutdown: started again;
- died three times in ten minutes, each time again: a crash loop. It is not started any more until a person starts
  it. The journal says so once, as ``needs_human`` with phase ``start``, and so does ``status``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.memory.interventions import NEEDED, START, id_of
from llm_loop.memory.journal import Event, Journal
from llm_loop.memory.journal_parts import events_backwards
from llm_loop.system.clock import Clock, parse_utc
from llm_loop.system.instance_lock import InstanceLock, is_held

CRASH_LOOP, NOT_STARTED = "crash_loop", "not_started"
MOST_DEATHS = 3
WITHIN_S = 600.0
_LOOK_S = 2.0
_WORDS = frozenset({"daemon_started", "daemon_ended", NEEDED})
_JOURNAL_TAIL_BYTES = 8_000_000
_NOT_ON_PURPOSE = frozenset({"its window was closed"})
_MENDED = "`llm-loop status` and .llm_loop/logs say more; `llm-loop start` starts it when that is mended"


class CrashLoopError(LoopError):
    """Say that the loop died again and again, and waits for a person (exit code 4)."""

    exit_code = 4


class Verdict(StrEnum):
    """What the machine may do: start the loop; leave it, for it was ended on purpose; leave it to a person."""

    START = "start"
    LEFT = "left"
    CRASH_LOOP = "crash_loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hold the verdict, the loop's last reason to end (None: it said none), and how often it died just now."""

    verdict: Verdict
    reason: str | None = None
    deaths: int = 0


def wait_while_held(lock: Path) -> None:
    """Wait for as long as another daemon holds the workspace: who is started by the machine takes over when it dies."""
    while is_held(lock):
        time.sleep(_LOOK_S)


def look_back(paths: WorkspacePaths, now: datetime) -> Judgement:
    """Judge by the journal's end; nobody may hold the workspace. ``now`` is aware UTC."""
    return judge(_last_words(paths), now)


def _last_words(paths: WorkspacePaths) -> list[Event]:
    """Return the last starts, ends and calls for a person, oldest first, back to the last end or one start too many."""
    words: list[Event] = []
    for _, event in events_backwards(paths.events, most_bytes=_JOURNAL_TAIL_BYTES):
        if event["event"] in _WORDS and (event["event"] != NEEDED or event.get("phase") == START):
            words.append(event)
        starts = sum(word["event"] == "daemon_started" for word in words)
        if event["event"] == "daemon_ended" or starts > MOST_DEATHS:
            break
    return words[::-1]


def judge(words: list[Event], now: datetime) -> Judgement:
    """Judge by the starts, ends and calls for a person of a journal, oldest first.

    Deaths count from the last end that was no death on, or the last start by a person after a crash loop, as far as
    they lie within ten minutes of ``now`` (after it too: a clock may have been set back).
    """
    deaths = 0
    for word in reversed(words):
        if word["event"] == "daemon_ended":
            if deaths == 0 and _on_purpose(word):
                return Judgement(verdict=Verdict.LEFT, reason=str(word.get("reason")))
            break
        if word["event"] == NEEDED:
            if word.get("deaths"):
                if deaths == 0:
                    return Judgement(verdict=Verdict.CRASH_LOOP, deaths=int(word["deaths"]))
                break  # a person has started it since: the count begins anew
        elif _is_recent(word, now):
            deaths += 1
        else:
            break
    return Judgement(verdict=Verdict.CRASH_LOOP if deaths >= MOST_DEATHS else Verdict.START, deaths=deaths)


def allow(paths: WorkspacePaths, clock: Clock) -> str | None:
    """Return None when the loop may be started again, or why it is left alone on purpose.

    Raises CrashLoopError, journaled once, when a person is needed; WorkspaceBusyError when a daemon lives.
    """
    if not paths.events.exists() and paths.instance_lock.exists():  # what `clean` leaves of a night
        return "The workspace was cleaned since the loop ran: only a person starts it again."
    judgement = look_back(paths, clock.utc_now())
    if judgement.verdict is Verdict.LEFT:
        return f"The loop was ended on purpose ({judgement.reason}): only a person starts it again."
    if judgement.verdict is Verdict.CRASH_LOOP:
        minutes = f"{WITHIN_S / 60:g} minutes"
        why = f"the loop died {judgement.deaths} times within {minutes}, and is not started again by itself"
        call_for_a_person(paths, clock, why, _MENDED, deaths=judgement.deaths)
        raise CrashLoopError(f"{why}; {_MENDED}")
    return None


def call_for_a_person(paths: WorkspacePaths, clock: Clock, why: str, what_to_do: str, *, deaths: int = 0) -> None:
    """Journal once that a start by the machine came to nothing; ``deaths``: because it is a crash loop.

    Raises WorkspaceBusyError when a daemon lives, FileWriteError or CorruptFileError when the journal cannot be used.
    """
    last = _last_words(paths)[-1:]
    if last and last[0]["event"] == NEEDED and last[0].get("why") == why:
        return
    with InstanceLock(paths.instance_lock):
        journal = Journal(paths.events, clock)
        if journal.repaired is not None:
            journal.append("repaired", what="the journal's last line was torn", set_aside=str(journal.repaired))
        journal.append(
            NEEDED,
            id=id_of(journal.seq + 1),
            phase=START,
            cause=CRASH_LOOP if deaths else NOT_STARTED,
            why=why,
            attempted="the machine started the loop again" if deaths else "the machine started the loop",
            failure=f"it died {deaths} times" if deaths else why,
            what_to_do=what_to_do,
            is_global=True,
            deaths=deaths,
        )


def _on_purpose(end: Event) -> bool:
    return end.get("ending") != "interrupt" and end.get("reason") not in _NOT_ON_PURPOSE


def _is_recent(word: Event, now: datetime) -> bool:
    try:
        return abs((now - parse_utc(str(word["ts_utc"]))).total_seconds()) <= WITHIN_S
    except (KeyError, ValueError, OverflowError):
        return False
