"""The story of one run as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_loop.contract.run import RunState
from llm_loop.views.run_procedure_lines import procedure_lines
from llm_loop.views.run_story import RunStory
from llm_loop.views.untrusted import clean, dict_of, list_of, number_of, plain, text_of, whole_of

_LINE_CHARACTERS = 500


def story_lines(story: RunStory) -> Iterator[str]:
    """Yield the story as lines for people; the diff comes last and whole."""
    row = dict_of(story.ended)
    result = dict_of(row.get("result"))
    value, cause = number_of(result.get("value")), text_of(row.get("cause"))
    measured = "" if value is None else f", {text_of(result.get('metric'), 80)} {value:.6g}"
    decision = story.decision
    state = "open, under repair" if story.procedure.run_state == RunState.REPAIRING else story.state
    yield f"{story.run_id}  {story.label}: {state}" + (f" ({cause})" if cause else "") + measured
    if story.detail:
        yield f"  because  {story.detail}"
    category = text_of(decision.get("idea_category"), 40)
    yield f"  cycle {story.cycle} ({story.cycle_trace_id}), {category}, by {story.proposer}"
    if story.repair_of is not None:
        yield f"  mends    {story.repair_of}, which no rule mended"
    if story.reproduces is not None:
        yield f"  again    {story.reproduces}, as it was"
    yield f"  why      {clean(str(decision.get('rationale')), 600)}"
    yield f"  command  {clean(str(decision.get('command')), 600)}"
    run_as = story.procedure.command or dict_of(story.code.get("place")).get("command")
    if run_as and run_as != decision.get("command"):
        yield f"  run as   {clean(str(run_as), 600)}"
    yield f"  folder   {story.folder}"
    yield from map(_attempt_line, story.attempts)
    yield from procedure_lines(story.procedure)
    yield from _proposal_lines(story)
    yield from _use_lines(story)
    yield from _code_lines(story)


def _attempt_line(attempt: dict[str, Any]) -> str:
    number, cause = whole_of(attempt.get("number")), text_of(attempt.get("cause"), 40)
    if cause is None:
        return f"  attempt  {number}: no end of it is journaled yet"
    code, seconds = whole_of(attempt.get("exit_code")), number_of(attempt.get("duration_s"))
    parts = [cause] + ([] if code is None else [f"exit code {code}"])
    parts += [] if seconds is None else [f"{seconds:.1f} s"]
    return f"  attempt  {number}: {', '.join(parts)}"


def _proposal_lines(story: RunStory) -> Iterator[str]:
    for record in map(dict_of, story.proposals):
        issues = list_of(dict_of(record.get("quality_gate")).get("issues"))
        refused = ", ".join([*map(str, issues), *(text_of(why) or "" for why in list_of(record.get("unusable")))])
        verdict = "accepted" if record.get("accepted") else f"refused: {clean(refused, 300)}"
        if verdict == "accepted" and record.get("proposer") != story.proposer:
            verdict = f"accepted; that of {story.proposer} took its place"
        yield f"  proposed by {text_of(record.get('proposer'), 40)} ({text_of(record.get('source'), 40)}): {verdict}"
    if story.review is not None:
        word = text_of(story.review.get("recommendation"), 40) or "out of reach"
        adopted = ", adopted" if story.review.get("applied") else ""
        said = text_of(story.review.get("critique"), 400) or text_of(story.review.get("error"), 400)
        yield f"  mentor   {word}{adopted}" + (f": {said}" if said else "")


def _use_lines(story: RunStory) -> Iterator[str]:
    use = dict_of(story.use)
    calls, tokens = whole_of(use.get("calls")), dict_of(use.get("tokens"))
    if not calls:
        return
    into, cached, out = (whole_of(tokens.get(name)) or 0 for name in ("input", "cached_input", "output"))
    untold = whole_of(use.get("unknown_usage"))
    least = f", at least: {untold} told none" if untold else ""
    yield f"  calls    {calls}: {into:,} tokens in ({cached:,} cached), {out:,} out{least}"


def _code_lines(story: RunStory) -> Iterator[str]:
    code, is_over = story.code, story.ended is not None
    place = dict_of(code.get("place"))
    where = f"in a checkout, {text_of(place.get('cwd'), 400)}" if place else "in the training repository itself"
    version = text_of(code.get("version"), 80) or ("not known" if is_over else "not known yet")
    yield f"  code     version {version}, {where}"
    at_end = text_of(code.get("version_at_end"), 80)
    if at_end is not None and at_end != version:
        yield f"  code     CHANGED during the run: version {at_end} at its end"
    change = dict_of(code.get("change"))
    if not change:
        return
    base = dict_of(change.get("base"))
    whose = text_of(base.get("run_id"), 40) or "the repository"
    yield f"  base     {whose}, version {text_of(base.get('version'), 80)}"
    yield from map(_file_line, map(dict_of, list_of(change.get("files"))))
    for path in dict_of(change.get("config_files")):
        yield f"  config   {clean(path, 200)}"
    yield from _diff_lines(change)


def _file_line(file: dict[str, Any]) -> str:
    added, removed = whole_of(file.get("lines_added")), whole_of(file.get("lines_removed"))
    lines = "no text" if added is None and removed is None else f"+{added or 0} -{removed or 0}"
    return f"  {text_of(file.get('kind'), 40) or '-':<8} {clean(str(file.get('path')), 200)} ({lines})"


def _diff_lines(change: dict[str, Any]) -> Iterator[str]:
    """Yield the diff, its indents kept; what is not printable becomes blanks."""
    diff = change.get("diff")
    for line in diff.splitlines() if isinstance(diff, str) else ():
        shown: str = plain(line.expandtabs(4)).rstrip()
        yield "    " + (shown if len(shown) <= _LINE_CHARACTERS else shown[: _LINE_CHARACTERS - 3] + "...")
    if change.get("diff_is_cut"):
        yield "    (the diff is longer and cut here)"
