"""What parts two runs, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_loop.memory.comparison import Comparison
from llm_loop.memory.leaderboard_text import value_text
from llm_loop.memory.noise import TieBasis
from llm_loop.views.run_difference import EpochPair, RunDifference
from llm_loop.views.run_story import RunStory
from llm_loop.views.untrusted import clean, dict_of, number_of, plain, text_of

_EPOCHS_SHOWN = 20
_LINE_CHARACTERS = 500
_VALUE_CHARACTERS = 200


def difference_lines(difference: RunDifference) -> Iterator[str]:
    """Yield outcome, verdict, settings, commands, curves, and last the diff of the code, whole."""
    one, other = difference.first, difference.second
    for mark, story in (("-", one), ("+", other)):
        yield f"{mark} {story.run_id}  {story.label}: {_outcome(story)}"
    yield f"  {_verdict(difference)}"
    yield from _setting_lines(difference)
    yield from _command_lines(one, other)
    yield from _curve_lines(difference)
    yield from _code_lines(difference)


def _outcome(story: RunStory) -> str:
    row = dict_of(story.ended)
    result = dict_of(row.get("result"))
    value, cause = number_of(result.get("value")), text_of(row.get("cause"), 120)
    measured = "" if value is None else f", {text_of(result.get('metric'), 80)} {value:.6g}"
    return story.state + (f" ({cause})" if cause else "") + measured


def _verdict(difference: RunDifference) -> str:
    found = difference.comparison
    if found is None:
        return "Not compared: one of them does not rank."
    metric = clean(difference.metric or "", 60)
    if found.is_same:
        return f"One configuration: {metric} {value_text(found.first)} over {_seeds(found.first.seeds)}."
    ahead, behind = (found.second, found.first) if found.gain > 0 else (found.first, found.second)
    words = (
        f"{metric} {value_text(ahead)} ({_seeds(ahead.seeds)}) against {value_text(behind)} ({_seeds(behind.seeds)})"
    )
    leader = difference.second if found.gain > 0 else difference.first
    if found.gain == 0:
        return f"Equal: {words}."
    return f"{leader.run_id} is ahead by {abs(found.gain):.4g}, {_tie(found)}: {words}."


def _tie(found: Comparison) -> str:
    if found.tied is None:
        return "which may be noise: no spread and no interval is known"
    by = "spread over seeds" if found.tie_basis is TieBasis.SEEDS else "interval of a single run"
    return f"a tie: inside the noise ({by})" if found.tied else f"more than the noise ({by})"


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _setting_lines(difference: RunDifference) -> Iterator[str]:
    count = len(difference.settings)
    if not count and not difference.same_settings:
        yield "  Settings: neither run tells its own."
        return
    yield f"  Settings: {count} differ{'s' if count == 1 else ''}, {difference.same_settings} are the same."
    for one in difference.settings:
        yield f"    {clean(one.name, 120)}: {_value(one.first)} -> {_value(one.second)}"


def _value(value: Any) -> str:
    return "not set" if value is None else clean(str(plain(value)), _VALUE_CHARACTERS)


def _command_lines(one: RunStory, other: RunStory) -> Iterator[str]:
    ours, theirs = (str(story.procedure.command or story.decision.get("command")) for story in (one, other))
    if ours == theirs:
        yield "  Command: the same."
        return
    yield f"  - {clean(ours, _LINE_CHARACTERS)}"
    yield f"  + {clean(theirs, _LINE_CHARACTERS)}"


def _curve_lines(difference: RunDifference) -> Iterator[str]:
    pairs = difference.curves
    if not pairs:
        return
    yield f"  {clean(difference.metric or '', 60)} by epoch:"
    for pair in _spread_out(pairs):
        yield f"    {pair.epoch:>6}  {_point(pair.first):>10}  {_point(pair.second):>10}"


def _spread_out(pairs: tuple[EpochPair, ...]) -> list[EpochPair]:
    """Return at most 20 epochs, evenly spread, the first and the last among them."""
    if len(pairs) <= _EPOCHS_SHOWN:
        return list(pairs)
    last = len(pairs) - 1
    return [pairs[round(step * last / (_EPOCHS_SHOWN - 1))] for step in range(_EPOCHS_SHOWN)]


def _point(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _code_lines(difference: RunDifference) -> Iterator[str]:
    code = difference.code
    if code.diff is None:
        yield "  Code: not known of both."
        return
    if not code.diff:
        yield f"  Code: the same, version {code.first}."
        return
    yield f"  Code: version {code.first} -> {code.second}"
    for line in code.diff.splitlines():
        shown: str = plain(line.expandtabs(4)).rstrip()
        yield "    " + (shown if len(shown) <= _LINE_CHARACTERS else shown[: _LINE_CHARACTERS - 3] + "...")
