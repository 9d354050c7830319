"""Runs that were run once more as they were: whether they came out the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.views.run_story import RunStory, events_holding, read_story
from llm_loop.views.untrusted import clean, dict_of, list_of, number_of, text_of, whole_of


class CameOut(StrEnum):
    """What a reproduction came to."""

    OPEN = "open"
    NO_RESULT = "no_result"
    EQUAL = "equal"
    INSIDE = "inside"
    OUTSIDE = "outside"
    NO_INTERVAL = "no_interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Hold one run that ran another once more.

    ``interval`` is the original's own 95 % interval of ``metric``, None where it told none. ``differs`` names what was
    not as before although it should have been: code, data, seed.
    """

    run_id: str
    of: str
    came_out: CameOut
    state: str
    metric: str | None
    value: float | None
    original: float | None
    interval: tuple[float, float] | None
    differs: tuple[str, ...]


def reproductions_of(paths: WorkspacePaths, run_id: str) -> list[Reproduction]:
    """Return the reproductions of a run, oldest first. Raises LoopError when the journal knows no such run, OSError."""
    original = read_story(paths, run_id)
    return [reproduction(original, read_story(paths, one)) for one in _reproducing(paths, original.run_id)]


def reproduction(original: RunStory, again: RunStory) -> Reproduction:
    """Compare a run with the one that it ran once more."""
    before, after = _result(original), _result(again)
    told, value = number_of(before.get("value")), number_of(after.get("value"))
    low, high = ([number_of(end) for end in list_of(before.get("interval"))] + [None, None])[:2]
    interval = None if low is None or high is None else (low, high)
    return Reproduction(
        run_id=again.run_id,
        of=original.run_id,
        came_out=_came_out(again, told, value, interval),
        state=again.state,
        metric=text_of(before.get("metric"), 60),
        value=value,
        original=told,
        interval=interval,
        differs=() if value is None else tuple(_differs(original, again)),
    )


def reproduction_line(found: Reproduction) -> str:
    """Return a reproduction as a line for people."""
    metric = found.metric or "value"
    values = (
        ""
        if found.value is None or found.original is None
        else f"{metric} {found.value:.6g}, {found.original:.6g} before"
    )
    inside = "" if found.interval is None else f" {found.interval[0]:.4g} to {found.interval[1]:.4g}"
    words = {
        CameOut.OPEN: f"{found.state}, has not ended yet",
        CameOut.NO_RESULT: f"{found.state}, without a result",
        CameOut.EQUAL: f"came out equal: {values}",
        CameOut.INSIDE: f"came out inside the interval{inside}: {values}",
        CameOut.OUTSIDE: f"came out OUTSIDE the interval{inside}: {values}",
        CameOut.NO_INTERVAL: f"came out otherwise, and {found.of} told no interval to judge by: {values}",
    }
    changed = f"; not as before: {', '.join(found.differs)}" if found.differs else ""
    return f"{found.run_id} ran {found.of} once more and {words[found.came_out]}{changed}."


def _came_out(
    again: RunStory, told: float | None, value: float | None, interval: tuple[float, float] | None
) -> CameOut:
    if again.ended is None:
        return CameOut.OPEN
    if value is None or told is None:
        return CameOut.NO_RESULT
    if value == told:
        return CameOut.EQUAL
    if interval is None:
        return CameOut.NO_INTERVAL
    return CameOut.INSIDE if interval[0] <= value <= interval[1] else CameOut.OUTSIDE


def _differs(original: RunStory, again: RunStory) -> Iterator[str]:
    before, after = _result(original), _result(again)
    if original.code.get("version") != again.code.get("version"):
        yield "code"
    if before.get("data_hash") != after.get("data_hash"):
        yield "data"
    if whole_of(before.get("seed")) != whole_of(after.get("seed")):
        yield "seed"


def _result(story: RunStory) -> dict[str, Any]:
    return dict_of(dict_of(story.ended).get("result"))


def _reproducing(paths: WorkspacePaths, run_id: str) -> Iterator[str]:
    """Yield the ids of the runs that were staged to run another once more."""
    for event in events_holding(paths.events, run_id):
        run = dict_of(event.get("run"))
        if event["event"] == "run_staged" and run.get("reproduces") == run_id:
            yield clean(str(run.get("run_id")), 40)
