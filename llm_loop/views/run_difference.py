"""What parts two runs: outcome, settings, command, code and curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.memory.comparison import Comparison, compare
from llm_loop.runs.whole_curves import whole_curve
from llm_loop.views.run_story import RunStory, read_story
from llm_loop.views.untrusted import dict_of, plain, text_of
from llm_loop.views.whole_leaderboard import WholeLeaderboard

ReadPatch = Callable[[str, str], str]
"""Returns the unified diff from one code version to another; raises LoopError where one is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSetting:
    """Hold one setting with its value in either run, None where a run does not have it."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPair:
    """Hold one epoch of both curves, None where a run has no value there."""

    epoch: int
    first: float | None
    second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDifference:
    """Hold the code versions of both runs and the diff from the first to the second, None where it is not known."""

    first: str | None
    second: str | None
    diff: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    """Hold what parts two runs.

    ``comparison`` is None where one of them does not rank. ``settings`` are those that differ, ``same_settings`` counts
    the others; both runs say theirs themselves (``params`` of the result), else the decision does.
    """

    first: RunStory
    second: RunStory
    metric: str | None
    direction: Direction | None
    comparison: Comparison | None
    settings: tuple[ChangedSetting, ...]
    same_settings: int
    code: CodeDifference
    curves: tuple[EpochPair, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``diff --json`` (schema_version 1)."""
        runs = {
            name: {key: getattr(story, key) for key in ("run_id", "label", "state", "proposer", "cycle", "folder")}
            | {"command": story.procedure.command or story.decision.get("command")}
            for name, story in (("first", self.first), ("second", self.second))
        }
        value = {
            "schema_version": 1,
            **runs,
            "metric": self.metric,
            "direction": None if self.direction is None else self.direction.value,
            "comparison": None if self.comparison is None else asdict(self.comparison),
            "settings": [asdict(one) for one in self.settings],
            "same_settings": self.same_settings,
            "curves": [asdict(one) for one in self.curves],
        }
        shown: dict[str, Any] = plain(value)
        return shown | {"code": asdict(self.code)}


def read_difference(
    paths: WorkspacePaths, ranked: WholeLeaderboard, first: str, second: str, read_patch: ReadPatch
) -> RunDifference:
    """Return what parts two runs, named by id or label. Raises LoopError when one is not known, OSError."""
    one, other = read_story(paths, first), read_story(paths, second)
    board = ranked.board
    metric, direction = (None, None) if board is None else (board.metric, board.direction)
    comparison = None
    if metric is not None and direction is not None:
        comparison = compare(ranked.rows, metric, direction, one.run_id, other.run_id)
    ours, theirs = _settings(one), _settings(other)
    names = sorted({*ours, *theirs})
    changed = [name for name in names if ours.get(name) != theirs.get(name)]
    return RunDifference(
        first=one,
        second=other,
        metric=metric,
        direction=direction,
        comparison=comparison,
        settings=tuple(ChangedSetting(name=name, first=ours.get(name), second=theirs.get(name)) for name in changed),
        same_settings=len(names) - len(changed),
        code=_code(one, other, read_patch),
        curves=() if metric is None else _curves(paths, one, other, metric),
    )


def _settings(story: RunStory) -> dict[str, Any]:
    row = dict_of(story.ended)
    return dict_of(dict_of(row.get("result")).get("params")) or dict_of(row.get("params"))


def _code(one: RunStory, other: RunStory, read_patch: ReadPatch) -> CodeDifference:
    first, second = text_of(one.code.get("version"), 80), text_of(other.code.get("version"), 80)
    diff = None if first is None or second is None else "" if first == second else read_patch(first, second)
    return CodeDifference(first=first, second=second, diff=diff)


def _curves(paths: WorkspacePaths, one: RunStory, other: RunStory, metric: str) -> tuple[EpochPair, ...]:
    ours, theirs = _curve(paths, one, metric), _curve(paths, other, metric)
    return tuple(
        EpochPair(epoch=epoch, first=ours.get(epoch), second=theirs.get(epoch)) for epoch in sorted({*ours, *theirs})
    )


def _curve(paths: WorkspacePaths, story: RunStory, metric: str) -> dict[int, float]:
    """Return the curve of the last attempt, {} of a run that was never launched."""
    last = dict_of(story.attempts[-1] if story.attempts else None)
    number, tag = last.get("number"), last.get("log_tag")
    if not isinstance(number, int) or not isinstance(tag, str):
        return {}
    return whole_curve(paths.attempt(story.run_id, number), paths.logs / f"{tag}.stdout.log", metric)
