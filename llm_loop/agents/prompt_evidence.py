"""The evidence of a prompt, section by section: what each says, how much room it is given first and at most."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from llm_loop.agents.prompt_runs import ENDED_RUNS, category_lines, curve_lines, params_text, place_lines, run_lines
from llm_loop.agents.prompt_sections import Section, section
from llm_loop.agents.prompt_text import MOST_TICKS, Keep, clean, line_of, without_repeats
from llm_loop.agents.search_space import flat_config
from llm_loop.agents.wording import number_text
from llm_loop.contract.context import AgentContext
from llm_loop.contract.observation import Observation

MISSION_CHARACTERS = 4_000
WORKPAD_CHARACTERS = 6_000
MENTOR_NOTES_CHARACTERS = 3_000
OTHER_CHARACTERS = 2_000
WORKPAD_FLOOR = 500
_TODO_LINE = 220
_HEADING = re.compile(r"^(?=## )", re.MULTILINE)


def mission(observation: Observation) -> Section:
    """Return the role's mission, or the notice that there is none."""
    told = observation.context.mission
    if told is None or not told.text:
        why = "no mission was given" if told is None else told.notice or "it is empty"
        return Section(title="Mission", lead=f"There is none: {line_of(why, 400)}. The rules stand alone.")
    part = " (its beginning)" if told.is_cut else ""
    return Section(
        title="Mission",
        lead=f"From {line_of(told.file, 80)}, by the person who runs this loop{part}.",
        data=clean(told.text, MOST_TICKS),
        floor=MISSION_CHARACTERS,
        cap=MISSION_CHARACTERS,
        kind="mission",
    )


def refusals(observation: Observation) -> Section:
    """Return why the proposals of this cycle were refused."""
    lines = "\n".join(f"- {line_of(line, 700)}" for line in observation.refusals)
    lead = "You were asked before in this cycle, and what you proposed was refused or unusable. Mend these first."
    return section("Refused in this cycle", lines, lead=lead if lines else "", floor=900, cap=OTHER_CHARACTERS)


def signals(observation: Observation) -> Section:
    """Return trend, streaks and priorities as numbers, with the marks from which they are worth a word."""
    context = observation.context
    return Section(title="Signals", lead="\n".join([*_trend_lines(observation), *_priority_lines(context)]))


def leaderboard(observation: Observation) -> Section:
    """Return the first places."""
    head = observation.context.leaderboard
    lead = f"{head.ranked_runs} ranked runs of {head.ranked_configs} configurations, self-reported scores."
    lines = place_lines(observation)
    return section("Leaderboard", lines, lead=lead if lines else "", floor=450, cap=OTHER_CHARACTERS)


def runs(observation: Observation) -> Section:
    """Return what runs and waits now, the last ended runs and the best one's configuration."""
    waits = any(run.state == "needs_human" for run in observation.history[-ENDED_RUNS:])
    lead = "needs_human: nothing that the loop may do mends it; a person was called. Until then it fails the same way."
    return section("Runs", run_lines(observation), lead=lead if waits else "", floor=1_000, cap=3_000)


def curves(observation: Observation) -> Section:
    """Return the curves of running and last runs."""
    lines = curve_lines(observation.context.curves, observation.domain.selection_metric)
    return section("Curves", lines, floor=300, cap=OTHER_CHARACTERS)


def last_log(observation: Observation) -> Section:
    """Return the end of the log of a failed last run."""
    log = observation.context.last_log
    if log is None:
        return section("Log of the failed run", floor=0, cap=0)
    # not the file's name: the model that chose the run's label speaks in it
    stream = "standard error" if log.file.endswith(".stderr.log") else "standard output"
    lead = f"The end of the {stream} of {log.run_id}."
    return section(
        "Log of the failed run", without_repeats(log.text), lead=lead, floor=500, cap=OTHER_CHARACTERS, keep=Keep.TAIL
    )


def to_mend(observation: Observation) -> list[Section]:
    """Return what is known of the failed run that is to be mended, and the end of its log."""
    failed = observation.context.to_mend
    if failed is None:
        return []
    known = [
        f"{failed.run_id} {failed.label}, failed in {failed.phase}: {failed.cause}",
        f"command: {failed.command}",
        f"evidence: {failed.evidence_line or 'none'}",
        f"what failed: {failed.what_failed or 'not told'}",
        *(f"tried: {one}" for one in failed.attempted),
        *(f"changed by its decision: {path}" for path in failed.edited),
    ]
    log = without_repeats(failed.log)
    return [
        section("The run to mend", "\n".join(known), floor=1_000, cap=3_000),
        section("Log of the run to mend", log, floor=2_000, cap=6_000, keep=Keep.TAIL),
    ]


def exploration(observation: Observation) -> Section:
    """Return the idea categories, and how they paid."""
    lines = [category_lines(observation.context.exploration)]
    if (model := observation.context.priorities.dominant_model) is not None:
        lines.append(f"one model dominates the last runs: {line_of(model, 80)}")
    return section("Exploration", "\n".join(lines), floor=450, cap=1_200)


def search_space(observation: Observation) -> Section:
    """Return what may be varied by configuration alone, and the command that does it."""
    space = observation.search_space
    if space is None:
        return section("Search space", floor=0, cap=0)
    named = [f"{key}: {line_of(str(space[key]), 200)}" for key in _SPACE_KEYS if space.get(key) is not None]
    parameters = space.get("parameters")
    entries = [_parameter_text(one) for one in parameters] if isinstance(parameters, list) else []
    base = [] if observation.base_config is None else [f"base: {params_text(flat_config(observation.base_config))}"]
    lead = "The built-in planner varies these. You may too, and are not bound to them: the base configuration, changed,"
    lead += " is a run file named as below."
    return section("Search space", "\n".join([*named, *base, *entries]), lead=lead, floor=1_000, cap=2_500)


def todo(observation: Observation) -> Section:
    """Return the oldest and newest unresolved TODOs, and how many there are in all."""
    texts = {todo.id: todo.text for todo in observation.open_todos}
    focus = _in_turn([todo_id for todo_id in observation.context.todo_focus if todo_id in texts])
    lines = "\n".join(f"- {line_of(todo_id, 20)} {line_of(texts[todo_id], _TODO_LINE)}" for todo_id in focus)
    lead = f"{observation.open_todo_count} are open in all; here the oldest and the newest, in turn."
    return section("Shared TODO", lines, lead=lead if lines else "", floor=450, cap=OTHER_CHARACTERS)


def workpad(observation: Observation) -> list[Section]:
    """Return the ends of the worker's notes, one section for each of the workpad's: none hides another."""
    parts = [part for part in _HEADING.split(observation.context.workpad) if part.strip()]
    parts = [part for part in parts if not part.startswith("# ") or part.strip("\n").count("\n")]
    cap, floor = WORKPAD_CHARACTERS // max(1, len(parts)), WORKPAD_FLOOR // max(1, len(parts))
    return [
        section(f"Workpad, part {place} of {len(parts)} (its end)", part, floor=floor, cap=cap, keep=Keep.TAIL)
        for place, part in enumerate(parts, 1)
    ]


def mentor_notes(observation: Observation) -> Section:
    """Return the end of the mentor's notes."""
    text = observation.context.mentor_notes
    return section("Mentor notes (their end)", text, floor=400, cap=MENTOR_NOTES_CHARACTERS, keep=Keep.TAIL)


def storyline(observation: Observation) -> Section:
    """Return the end of the storyline, where there is trouble."""
    text = observation.context.storyline or ""
    return section("Storyline (its end)", text, floor=200, cap=OTHER_CHARACTERS, keep=Keep.TAIL)


def finish_up(observation: Observation) -> Section:
    """Return the finish-up window."""
    window = observation.context.finish_up
    if window is None:
        return Section(title="Finish-up")
    minutes = window.minutes_left
    left = "" if minutes is None else f", {minutes:.{1 if minutes < 10 else 0}f} minutes left until the deadline"
    rounds = window.remaining_final_training_rounds
    trainings = "" if rounds is None else f", {rounds} final trainings left"
    until = window.minutes_until_activation
    opens = f", the search ends in {until:.{1 if until < 10 else 0}f} minutes" if until else ""
    lead = f"Phase {line_of(window.phase, 40)}{opens}{left}{trainings}."
    return section("Finish-up", window.note, lead=lead, floor=100, cap=500)


def proposal(observation: Observation) -> Section:
    """Return the worker's decision, its texts readable."""
    told = observation.proposal
    if told is None:
        return Section(title="The worker's proposal", lead="There is none.")
    return section("The worker's proposal", _readable(told), floor=1_600, cap=5_000)


def proposal_code(observation: Observation) -> Section:
    """Return the diff that comes with the worker's decision."""
    text = observation.proposal_code or ""
    lead = "What the proposal changes of the training repository's code, as a diff."
    return section("The proposal's code", text, lead=lead if text else "", floor=800, cap=6_000)


_SPACE_KEYS = ("command", "config_file", "working_folder", "base_config", "seed_key", "budget_key")


def _in_turn(todo_ids: Sequence[str]) -> list[str]:
    """Return the first, the last, the second, and so on: what is cut off lies in the middle."""
    half = (len(todo_ids) + 1) // 2
    oldest, newest = todo_ids[:half], todo_ids[half:][::-1]
    pairs = zip_longest(oldest, newest)
    return [todo_id for pair in pairs for todo_id in pair if todo_id is not None]


def _parameter_text(one: Any) -> str:
    if not isinstance(one, dict):
        return line_of(str(one), 160)
    return line_of(", ".join(f"{value}" if key == "name" else f"{key} {value}" for key, value in one.items()), 200)


def _readable(value: dict[str, Any]) -> str:
    """Return JSON whose long texts stand as they are below it: a config file is unreadable as one escaped line."""
    files = value.get("run_files") or []
    named = [str(file["name"]) for file in files]
    texts = [f"--- run file {line_of(str(file['name']), 80)}\n{file['text']}" for file in files]
    short = _cleaned(value | {"run_files": named or None})
    return "\n".join([json.dumps(short, ensure_ascii=False, indent=1), *texts])


def _cleaned(value: Any) -> Any:
    """Return JSON whose texts are clean: an escaped control character is one nevertheless."""
    if isinstance(value, dict):
        return {key: _cleaned(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(entry) for entry in value]
    return clean(value) if isinstance(value, str) else value


def _trend_lines(observation: Observation) -> list[str]:
    context, metric = observation.context, observation.domain.selection_metric
    trend = context.trend
    if context.has_no_history:
        return [f"No history yet: no run has a result of {metric}."]
    states = ", ".join(f"{count} {line_of(state, 20)}" for state, count in (trend.states or {}).items())
    best = "" if trend.best_value is None else f"best {metric} {number_text(trend.best_value)} ({trend.best_run_id})"
    last = "" if trend.last_value is None else f"last {number_text(trend.last_value)}"
    return [
        f"Runs so far: {states}. Trend: {trend.movement.value.replace('_', ' ')}; "
        + ", ".join(filter(None, [best, last]))
        + f". Runs without a gain: {trend.runs_without_gain}. Failures in a row: {trend.consecutive_failures}."
    ]


def _priority_lines(context: AgentContext) -> list[str]:
    told, streaks, trend = context.priorities, context.streaks, context.trend
    return [
        "Between 0 and 1, 0.9 is critical; they command nothing: "
        f"research_priority {told.research_priority:.2f} (mark 0.66), "
        f"non_training_priority {told.non_training_priority:.2f} (mark 0.70), "
        f"breakout_priority {told.breakout_priority:.2f} (mark 0.70), todo_pressure {told.todo_pressure:.2f}.",
        f"In a row: {streaks.trainings_in_a_row} trainings, {streaks.cycles_without_web_search} cycles without a web "
        f"search, {streaks.challenges_in_a_row} challenges, {trend.waits_in_a_row} waits."
        + (" The last runs keep to details (drift)." if told.is_drifting else ""),
    ]
