"""The screen: a calm view of a snapshot, as lines for rich.

Every line is cut to the width of the terminal, so nothing wraps and a redraw moves nothing. Texts of
models and trainings reach rich as plain text, never as markup.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.text import Text

from llm_loop.contract.run import FAILED
from llm_loop.views.agents_lines import lines_of
from llm_loop.views.condition import Condition
from llm_loop.views.decisions import DecisionStatus
from llm_loop.views.devices_status import words_of
from llm_loop.views.finish_up_lines import finish_up_words
from llm_loop.views.page import Page
from llm_loop.views.procedure_status import mended_words
from llm_loop.views.snapshot import RunStatus, Snapshot
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import (
    Glyphs,
    bar,
    better,
    call_of,
    condition_of,
    duration,
    failing_notice,
    gate_of,
    idle_of,
    local_offset,
    local_time,
    mentor_of,
    number,
    outcome_of,
    places_of,
    planner_notice,
    progress_of,
    resolving,
    seconds_between,
    sparkline,
    typed,
    waiting_words,
    with_local_times,
)

_BAR_WIDTH = 20
_CURVE_WIDTH = 24
_COURSE_WIDTH = 60
_LEAST_WIDTH = 20
_NARROW = 60
_SILENT_S = 60.0
_CALLS_IN_FULL = 3
_CONDITION_STYLE = {
    Condition.RUNNING: "green",
    Condition.NOT_RESPONDING: "bold yellow",
    Condition.STOPPED: "cyan",
    Condition.DEAD: "bold red",
    Condition.NEVER_STARTED: "dim",
}


def draw(snapshot: Snapshot, width: int, height: int | None, glyphs: Glyphs) -> list[Text]:
    """Return the lines of the view, each at most ``width`` columns; fewer decisions where ``height`` is small."""
    lines: list[Text] = []
    for shown in (8, 5, 3, 2, 1, 0):
        page = Page(max(width, _LEAST_WIDTH), glyphs)
        calls = _calls(None if height is None else _CALLS_IN_FULL)
        middle = (_runs, _waiting, _devices, _decisions(shown), _agents, _leaderboard)
        for section in (_header, calls, *middle, *([_todo] if shown > 1 else []), _alarms):
            section(page, snapshot)
        lines = page.lines
        if height is None or len(lines) <= height:
            return lines
    return lines[:height]


def _header(page: Page, snapshot: Snapshot) -> None:
    daemon = snapshot.daemon
    name = clean(Path(snapshot.workspace).name or snapshot.workspace, 60)
    style = "bold yellow" if daemon.ending and daemon.lives else _CONDITION_STYLE[daemon.condition]
    age_s = seconds_between(daemon.started_utc, snapshot.taken_utc) if daemon.lives and not daemon.ending else None
    since = "" if age_s is None else f" ({duration(age_s)})"
    page.paragraph(f"llm_loop  {name}", "bold")
    page.paragraph(f"{condition_of(snapshot)}{since}", style)
    idle = idle_of(snapshot.idle_fraction, snapshot.slot_use, daemon.slots, snapshot.install_s)
    page.flow(
        [
            (f"phase: {daemon.phase}", "") if daemon.lives and daemon.phase else None,
            (f"cycle {daemon.cycle}", "") if daemon.cycle is not None else None,
            (f"decides: {with_local_times(snapshot.decides, snapshot.taken_utc)}", ""),
            (idle, "") if idle is not None else None,
            (f"runs: {_counts(snapshot)}", "") if snapshot.run_counts else None,
            (f"pid {daemon.pid}", "dim") if daemon.lives and daemon.pid is not None else None,
            (f"local time {local_time(snapshot.taken_utc)} ({_offset(snapshot)})", "dim"),
        ]
    )
    if (notice := planner_notice(snapshot)) is not None:
        page.paragraph(notice, "bold yellow")
    if (notice := failing_notice(snapshot)) is not None:
        page.paragraph(notice, "bold red")
    told = {call.phase for call in snapshot.human_intervention_reasons}
    for source, reason in (daemon.holds or {}).items() if daemon.lives and not daemon.ending else ():
        if source not in told:
            page.paragraph(f"holding ({source}): {with_local_times(reason, snapshot.taken_utc)}", "yellow")
    for reason in (daemon.held_back or {}).values() if daemon.lives and not daemon.ending else ():
        page.paragraph(f"held back: {with_local_times(reason, snapshot.taken_utc)}", "yellow")
    if snapshot.paused and not (daemon.lives and "pause" in (daemon.holds or {})):
        page.paragraph(f"the PAUSE flag lies here: nothing new is launched until `{typed('resume')}`", "yellow")
    if (words := finish_up_words(snapshot.finish_up, snapshot.taken_utc)) is not None:
        page.paragraph(words, "red" if snapshot.finish_up.trouble else "cyan")
    for note in snapshot.notes:
        page.paragraph(f"cannot be read: {note}", "red", most=3)


def _calls(in_full: int | None) -> Callable[[Page, Snapshot], None]:
    """Show what a person is needed for, all that is known of it; of those beyond ``in_full`` the first line only."""

    def section(page: Page, snapshot: Snapshot) -> None:
        for place, call in enumerate(snapshot.human_intervention_reasons):
            page.paragraph(call_of(call), "bold red", most=3)
            if in_full is not None and place >= in_full:
                continue
            for word, text in call.details():
                page.paragraph(f"{word}: {text}", "red", indent=2, most=4)
            if (command := resolving(call)) is not None:
                page.paragraph(f"when that is done: {command}", "red", indent=2)

    return section


def _runs(page: Page, snapshot: Snapshot) -> None:
    if snapshot.runs:
        page.heading("Runs" if len(snapshot.runs) > 1 else "Run")
    for run in snapshot.runs:
        _run(page, run, snapshot)


def _run(page: Page, run: RunStatus, snapshot: Snapshot) -> None:
    glyphs, lives, silent_s = page.glyphs, snapshot.daemon.lives, run.silent_s or 0.0
    attempt = ", ".join(filter(None, [f"attempt {run.attempt}" if run.attempt > 1 else "", mended_words(run.mends)]))
    page.flow(
        [
            (run.run_id, "cyan"),
            (run.label, "bold"),
            (run.idea_category or "", "dim") if run.idea_category else None,
            (attempt, "dim") if attempt else None,
            (f"{duration(run.age_s)} old", "dim") if run.age_s is not None else None,
            (f"silent for {duration(silent_s)}", "yellow") if silent_s >= _SILENT_S else None,
            (f"pid {run.pid}", "dim") if run.pid is not None else None,
        ]
    )
    full, empty = bar(run.epoch or 0, run.epochs or 0, min(_BAR_WIDTH, page.width - 16), glyphs)
    progress = Text("  ").append(full, "green").append(empty, "dim").append(f"  {progress_of(run.epoch, run.epochs)}")
    progress.append(f"  {duration(run.eta_s)} left" if run.eta_s is not None else "")
    page.line(progress)
    page.flow(
        [
            (f"loss {number(run.loss)}", "") if run.loss is not None else None,
            (f"{snapshot.metric or 'metric'} {number(run.value)}", "") if run.value is not None else None,
            (f"best {number(run.best)}", "green") if run.best is not None else None,
            (sparkline(run.curve, min(_CURVE_WIDTH, page.width - 4), glyphs), "cyan") if len(run.curve) > 1 else None,
        ],
        indent=2,
    )
    if run.stop_reason is not None:
        page.paragraph(f"asked to end: {run.stop_reason}", "yellow", indent=2)
    if not lives:
        left = "it has ended; the next start records it" if run.ended_unrecorded else "the next start takes it over"
        page.paragraph(f"was running when the loop ended: {left}", "yellow", indent=2)


def _waiting(page: Page, snapshot: Snapshot) -> None:
    if not snapshot.waiting:
        return
    page.heading("Next")
    for run in snapshot.waiting:
        page.flow(
            [
                (run.run_id, "cyan"),
                (run.label, ""),
                (f"{run.state}", "dim"),
                (run.idea_category or "", "dim") if run.idea_category else None,
                (f"by {run.proposer}", "dim") if run.proposer else None,
                (f"after {', '.join(run.builds_on[:4])}", "dim") if run.builds_on else None,
            ]
        )
        if run.waits_for is not None:
            page.paragraph(waiting_words(run.state, run.waits_for), "yellow", indent=2, most=3)


def _devices(page: Page, snapshot: Snapshot) -> None:
    if not snapshot.devices:
        return
    page.heading("Devices" if len(snapshot.devices) > 1 else "Device")
    for device in snapshot.devices:
        page.line(words_of(device), indent=2)


def _decisions(shown: int) -> Callable[[Page, Snapshot], None]:
    def section(page: Page, snapshot: Snapshot) -> None:
        decisions = snapshot.decisions[-shown:] if shown else ()
        if decisions:
            page.heading("Decisions", snapshot.metric or "")
        for decision in decisions:
            _decision(page, decision, snapshot)

    return section


def _decision(page: Page, decision: DecisionStatus, snapshot: Snapshot) -> None:
    cycle = "C----" if decision.cycle is None else f"C{decision.cycle:04d}"
    what = decision.label if decision.action == "run_command" and decision.label else decision.action.replace("_", " ")
    good = "bold green" if decision.is_best else "red" if decision.outcome in FAILED else ""
    mentor = decision.mentor
    page.flow(
        [
            (cycle, "cyan"),
            (what, ""),
            (outcome_of(decision, snapshot.metric), good),
            (f"by {decision.proposer}", "dim") if decision.proposer else None,
            (gate_of(decision), "dim" if decision.gate == "passed" and not decision.refusals else "yellow"),
            None if mentor is None else (mentor_of(mentor), "magenta"),
        ]
    )
    against = (f"{one.by}: {one.reason}" + (f"; mend: {one.fix}" if one.fix else "") for one in decision.refusals)
    for text in list(dict.fromkeys(against))[:2]:
        page.paragraph(text, "yellow", indent=6)
    if decision.outcome in FAILED and decision.detail:
        page.paragraph(decision.detail, "red", indent=6)
    if mentor is not None and (mentor.critique or mentor.error):
        said = with_local_times(mentor.critique or mentor.error or "", snapshot.taken_utc)
        page.paragraph(said, "magenta", indent=6)


def _agents(page: Page, snapshot: Snapshot) -> None:
    """Show who decides, the cost and the mentor's worth, where anybody else than the built-in planner was asked."""
    agents = snapshot.agents
    if agents.worker == "builtin" and not any(role.agent != "builtin" for role in agents.roles):
        return
    page.heading("Agents")
    for line in lines_of(agents):
        page.paragraph(line, indent=2)


def _leaderboard(page: Page, snapshot: Snapshot) -> None:
    board = snapshot.leaderboard
    if board is None or not board.entries:
        return
    page.heading("Leaderboard", f"{clean(board.metric, 60)}, {better(board.direction)}")
    if len(snapshot.best_so_far) > 1:
        curve = sparkline(snapshot.best_so_far, min(_COURSE_WIDTH, page.width - 14), page.glyphs)
        page.line(Text("best so far  ", style="dim").append(curve, "cyan"))
    rows = places_of(board, page.glyphs)
    if page.width < _NARROW:
        for rank, value, seeds, tie, label in rows:
            page.flow([(rank, "cyan"), (value, ""), (seeds, "dim"), (tie, "yellow") if tie else None, (label, "")])
        return
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        rank, value, seeds, tie = (text.ljust(width) for text, width in zip(row[:4], widths, strict=True))
        text = Text(f"{rank}  ", style="cyan").append(f"{value}  ", "bold green" if row[0] == "1" else "")
        text.append(f"{seeds}  ", "dim").append(f"{tie}  " if widths[3] else "", "yellow")
        page.line(text.append(row[4]))


def _todo(page: Page, snapshot: Snapshot) -> None:
    if not snapshot.todo:
        return
    page.heading("TODO", f"{snapshot.open_todos} open")
    for entry in snapshot.todo:
        page.line(entry, indent=2)


def _alarms(page: Page, snapshot: Snapshot) -> None:
    error = snapshot.daemon.error if snapshot.daemon.lives else None
    if not snapshot.alarms and error is None:
        return
    page.heading("Alarms")
    for alarm in snapshot.alarms:
        page.paragraph(f"{local_time(alarm.at_utc)}  {alarm.text}", "red")
    if error is not None:
        page.paragraph(f"now: {error}", "bold red")


def _counts(snapshot: Snapshot) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(snapshot.run_counts.items()))


def _offset(snapshot: Snapshot) -> str:
    return local_offset(datetime.fromisoformat(snapshot.taken_utc))
