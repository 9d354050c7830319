"""All that a report is made from, read once from the files of a workspace while a loop may write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_loop.config import Config
from llm_loop.contract.final_test import FinalTestResult, read_final_test
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import higher_is_better
from llm_loop.errors import ContractError, LoopError
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry, Leaderboard, stands_for
from llm_loop.report.night import Night, read_night
from llm_loop.views.untrusted import clean
from llm_loop.views.whole_leaderboard import WholeLeaderboard, whole_leaderboard

DISCUSSION = "final_discussion.md"
_EVERY_PLACE = 1_000_000_000
_MOST_DISCUSSION_BYTES = 40_000
_NO_FIT = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what was read.

    ``rows`` are the ended runs, one each, oldest first. ``board`` ranks every configuration, None while nothing ranks;
    ``top_k`` of them are shown. ``test_problem`` says why a test result that is there is not believed. ``notes`` name
    what could not be read.
    """

    paths: WorkspacePaths
    config: Config | None
    top_k: int
    note: str
    rows: tuple[HistoryRow, ...]
    board: Leaderboard | None
    night: Night
    test: FinalTestResult | None
    test_problem: str | None
    discussion: tuple[str, ...]
    notes: tuple[str, ...]

    def attempt_folder(self, run_id: str) -> Path | None:
        """Return the folder of a run's last attempt, None where the journal was not asked for it."""
        words = self.night.words.get(run_id)
        return None if words is None or words.attempt is None else self.paths.attempt(run_id, words.attempt)

    def printed(self, run_id: str) -> Path:
        """Return what a run's last attempt printed, as far as the journal was asked for it; it may be missing."""
        words = self.night.words.get(run_id)
        return self.paths.logs / f"{'' if words is None else words.log_tag}.stdout.log"


def read_facts(paths: WorkspacePaths, config: Config | None, top_k: int, note: str) -> Facts:
    """Read all files once. Raises LoopError where the history cannot be ranked, OSError."""
    ranked = _ranked(paths, config)
    rows = tuple(ranked.rows)
    board = ranked.board
    test, problem = _test_result(paths)
    return Facts(
        paths=paths,
        config=config,
        top_k=top_k,
        note=clean(note, 2_000),
        rows=rows,
        board=board,
        night=read_night(paths.events, _told_of(rows, board, top_k)),
        test=test,
        test_problem=problem,
        discussion=_discussion(paths.artifacts / DISCUSSION),
        notes=tuple(clean(line, 300) for line in ranked.notes[:5]),
    )


def best_row(entry: Entry, by_id: Mapping[str, HistoryRow], board: Leaderboard) -> HistoryRow:
    """Return the run that stands for a configuration."""
    return stands_for([by_id[run_id] for run_id in entry.run_ids], board.metric, board.direction)


def new_bests(rows: tuple[HistoryRow, ...], board: Leaderboard) -> list[HistoryRow]:
    """Return the ranked runs that were better than all before them, in the order in which they ended."""
    ranked = {run_id for entry in board.entries for run_id in entry.run_ids}
    found: list[HistoryRow] = []
    best: float | None = None
    for row in rows:
        value = row.value_of(board.metric)
        if row.run_id in ranked and value is not None:
            score = higher_is_better(value, board.direction)
            if best is None or score > best:
                best = score
                found.append(row)
    return found


def _ranked(paths: WorkspacePaths, config: Config | None) -> WholeLeaderboard:
    try:
        return whole_leaderboard(paths, config, _EVERY_PLACE)
    except _NO_FIT as error:
        raise LoopError(f"{paths.history}: a row was changed by hand and cannot be ranked ({error})") from error


def _told_of(rows: tuple[HistoryRow, ...], board: Leaderboard | None, top_k: int) -> set[str]:
    """Return the runs of which the report says more than their rows."""
    if board is None:
        return set()
    leading = {run_id for entry in board.entries[:top_k] for run_id in entry.run_ids}
    return leading | {row.run_id for row in new_bests(rows, board)}


def _test_result(paths: WorkspacePaths) -> tuple[FinalTestResult | None, str | None]:
    try:
        return read_final_test(paths.final_test_result), None
    except FileNotFoundError:
        return None, None
    except ContractError as error:
        return None, clean(str(error), 400)


def _discussion(path: Path) -> tuple[str, ...]:
    """Return the lines of a model's discussion, where there is one; what is too long is left out."""
    try:
        text = read_outside(path, _MOST_DISCUSSION_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ()
    return tuple(clean(line, 2_000) for line in text.strip().splitlines())
