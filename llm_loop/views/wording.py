"""The words and small drawings that all views share.

Times, durations, numbers, bars and curves first, then sentences: on a decision, on the loop, on what a person is
needed for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llm_loop.contract.run import FAILED, RunState
from llm_loop.memory.interventions import Intervention
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.memory.slot_use import SlotFigures
from llm_loop.system.clock import parse_utc
from llm_loop.views.calls_for_people import HumanReason
from llm_loop.views.decisions import DecisionStatus, MentorWord, Refusal
from llm_loop.views.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """Hold the characters of drawings; ``levels`` rise from low to high."""

    full: str
    empty: str
    levels: str
    plus_minus: str
    dots: str


UNICODE = Glyphs(full="━", empty="─", levels="▁▂▃▄▅▆▇█", plus_minus="±", dots="…")
ASCII = Glyphs(full="#", empty="-", levels="_.-=+*#@", plus_minus="+/-", dots="...")
_FAILURES_IN_A_ROW = 3
_MOST_SLOTS = 64
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def typed(verb: str) -> str:
    """Return what a person types for a verb: ``.venv/bin/llm-loop login``; ``llm-loop login`` where that is no help."""
    program = Path(sys.executable).with_name("llm-loop.exe" if sys.platform == "win32" else "llm-loop")
    here = Path.cwd()
    if not program.is_file() or not program.is_relative_to(here) or " " in str(program.relative_to(here)):
        return f"llm-loop {verb}"
    return f"{program.relative_to(here).with_suffix('')} {verb}"


def local_time(utc: str | None) -> str:
    """Return a moment (ISO 8601) as local ``HH:MM:SS``; blanks of that width when it is not known."""
    try:
        return parse_utc(utc or "").astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return " " * 8


def local_moment(utc: str | None) -> str:
    """Return a moment (ISO 8601) as local ``YYYY-MM-DD HH:MM:SS``, or ``an unknown time``."""
    try:
        return parse_utc(utc or "").astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def with_local_times(text: str, now_utc: str) -> str:
    """Write the UTC moments (ISO 8601 with a Z) within a text as local ``HH:MM``, another day's with its date."""
    today = local_moment(now_utc)[:10]

    def local(found: re.Match[str]) -> str:
        moment = local_moment(found[0])
        if not moment[:1].isdigit():
            return moment
        return moment[11:16] if moment[:10] == today else moment[:16]

    return _UTC.sub(local, text)


def local_offset(now: datetime) -> str:
    """Return this machine's offset from UTC, such as ``UTC+01:00``."""
    text = now.astimezone().strftime("%z")
    return f"UTC{text[:3]}:{text[3:5]}"


def duration(seconds: float) -> str:
    """Write seconds as ``14 s``, ``3 min 05 s``, ``2 h 05 min`` or ``3 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def seconds_between(earlier_utc: str | None, later_utc: str | None) -> float | None:
    """Return the seconds between two moments (ISO 8601), at least 0; None when one is not known."""
    try:
        return max(0.0, (parse_utc(later_utc or "") - parse_utc(earlier_utc or "")).total_seconds())
    except (ValueError, OverflowError):
        return None


def number(value: float) -> str:
    """Write a metric's value, to four digits."""
    return f"{value:.4g}"


def signed(value: float) -> str:
    """Write a difference with its sign, to two digits."""
    return f"{value:+.2g}"


def bar(done: int, total: int, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """Return the full and the empty part of a bar of ``width`` characters."""
    full = min(width, max(0, round(width * done / total))) if total > 0 else 0
    return glyphs.full * full, glyphs.empty * (width - full)


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """Draw the course of finite ``values`` in at most ``width`` characters, the last one always in it."""
    if not values or width < 1:
        return ""
    step = max(1.0, len(values) / width)
    count = min(width, len(values))
    drawn = [values[max(0, round(len(values) - 1 - step * place))] for place in range(count)][::-1]
    low, high = min(drawn), max(drawn)
    top = len(glyphs.levels) - 1
    spread = high - low
    return "".join(glyphs.levels[round((value - low) / spread * top) if spread > 0 else top // 2] for value in drawn)


def progress_of(epoch: int | None, epochs: int | None) -> str:
    """Write ``epoch 5/20``, ``epoch 5``, or ``no epoch yet``."""
    if epoch is None:
        return "no epoch yet"
    return f"epoch {epoch}" if epochs is None else f"epoch {epoch}/{epochs}"


def outcome_of(decision: DecisionStatus, metric: str | None = None) -> str:
    """Write what came of a decision: ``completed val_log_loss=0.123 (best so far, -0.04)``.

    The name is left out where it is ``metric``, which the reader sees elsewhere.
    """
    if decision.outcome is None:
        result = decision.result.replace("_", " ")
        reason = decision.reason or ""
        return reason if reason.startswith(result) else f"{result}: {reason}" if reason else result
    if decision.value is None:
        return decision.outcome + (f" ({decision.cause})" if decision.cause else "")
    marks = ["the first result"] if decision.delta is None else [signed(decision.delta)]
    if decision.is_best and decision.delta is not None:
        marks.insert(0, "best so far")
    marks += [decision.cause] if decision.cause else []
    name = "" if decision.metric == metric else f"{decision.metric}="
    return f"{decision.outcome} {name}{number(decision.value)} ({', '.join(marks)})"


def against(refusals: Sequence[Refusal]) -> str:
    """Count the proposals that had something against them: ``1 refused, 2 unusable``; "" for none."""
    words = {"gate": "refused", "contract": "unusable", "call": "without an answer"}
    counted = {by: len({one.proposal for one in refusals if one.by == by}) for by in words}
    return ", ".join(f"{count} {words[by]}" for by, count in counted.items() if count)


def gate_of(decision: DecisionStatus) -> str:
    """Write the gate's verdict: ``gate passed``, and how many proposals it refused."""
    words = against(decision.refusals)
    if decision.gate == "passed":
        return "gate passed" + (f" ({words} before)" if words else "")
    return "nothing proposed" if decision.gate == "none" else f"gate: {words or 'refused'}"


def mentor_of(word: MentorWord | None) -> str:
    """Write the mentor's word: ``mentor: challenge, applied``."""
    if word is None:
        return "mentor: not asked"
    if not word.reached:
        return "mentor: out of reach"
    return f"mentor: {word.recommendation}" + (", applied" if word.applied else "")


def better(direction: str | None) -> str:
    """Say which way the metric is better; "" while unknown."""
    return {"min": "smaller is better", "max": "larger is better"}.get(direction or "", "")


def idle_of(total: float | None, used: Sequence[SlotFigures], slots: int | None, install_s: float = 0.0) -> str | None:
    """Write the idle share of the ``slots`` that there are: ``idle 1.8%``, behind it each one's; None before any.

    The time in which packages were installed is no idle time, and stands beside it.
    """
    if total is None:
        return None
    shares = {one.slot: f"{one.idle_fraction:.1%}" for one in used}
    count = max(min(slots or 0, _MOST_SLOTS), *shares)
    each = [f"slot {slot} {shares.get(slot, 'not used yet')}" for slot in range(1, count + 1)]
    installs = f", installs took {duration(install_s)}" if install_s >= 1 else ""
    return f"idle {total:.1%}" + (f" ({', '.join(each)})" if len(each) > 1 else "") + installs


def condition_of(snapshot: Snapshot) -> str:
    """Say in words how the daemon is, since when, and why."""
    daemon = snapshot.daemon
    match daemon.condition.value:
        case "running" if daemon.ending:
            return f"ending: {daemon.reason}"
        case "running":
            return "running" if daemon.started_utc is None else f"running since {local_time(daemon.started_utc)}"
        case "not responding":
            return f"not responding: no heartbeat for {duration(daemon.silent_s or 0.0)}, but its lock is held"
        case "stopped":
            return f"stopped {local_moment(daemon.ended_utc)}: {daemon.reason or 'no reason given'}"
        case "dead":
            return f"dead: it ended without a word; `{typed('start')}` goes on where it was"
        case _:
            return "never started here"


def planner_notice(snapshot: Snapshot) -> str | None:
    """Return the notice about a missing Codex login; None where there is one, or Codex is not wanted."""
    if snapshot.codex_login or not snapshot.codex_wanted or snapshot.decides != "built-in planner":
        return None
    return f"no Codex login: the built-in planner decides; log in with `{typed('login')}`"


def call_of(reason: HumanReason) -> str:
    """Write the first line of a reason for which a person is needed: since when, what it is about, why."""
    since = "" if reason.since_utc is None else f" since {local_time(reason.since_utc)}"
    return f"a person is needed{since} ({reason.about()}): {reason.why}"


def resolving(reason: HumanReason) -> str | None:
    """Return what to type when a reason is mended; None for one that goes by itself as soon as it is."""
    return None if reason.id == Intervention.NOW else typed(f"resolve {reason.id}")


def failing_notice(snapshot: Snapshot) -> str | None:
    """Return a notice when the last three runs or more all failed; None otherwise."""
    ended = [one for one in snapshot.decisions if one.outcome is not None and one.result != "open"]
    count = next((place for place, one in enumerate(reversed(ended)) if one.outcome not in FAILED), len(ended))
    if count < _FAILURES_IN_A_ROW:
        return None
    why = ended[-1].detail or ended[-1].cause or "no reason given"
    return f"the last {count} runs failed; the last one: {why}"


def waiting_words(state: str, waits_for: str) -> str:
    """Write what keeps a run: ``waits: memory``; of one under repair what is done about it."""
    return waits_for if state == RunState.REPAIRING else f"waits: {waits_for}"


def places_of(board: Leaderboard, glyphs: Glyphs) -> list[tuple[str, str, str, str, str]]:
    """Return one row a place: rank, value with its noise, seeds, tie, label with its runs."""
    rows = []
    for entry in board.entries:
        value = number(entry.value) + (f" {glyphs.plus_minus} {entry.sd:.2g}" if entry.sd is not None else "")
        seeds = f"{entry.seeds} seed{'' if entry.seeds == 1 else 's'}"
        tie = {True: "tied", False: "", None: ""}[entry.tied_with_best]
        runs = ", ".join(entry.run_ids[:3]) + (f" and {len(entry.run_ids) - 3} more" if len(entry.run_ids) > 3 else "")
        early = ", stopped early" if entry.stopped_early else ""
        rows.append((str(entry.rank), value, seeds, tie, f"{entry.label} ({runs}{early})"))
    return rows
