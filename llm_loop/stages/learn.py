"""Learn: project each event of the journal into the files that people and agents read.

Everything here changes nothing when it meets the same event again, because after a crash the last
events are projected once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.context import Priorities
from llm_loop.contract.decision import Decision
from llm_loop.contract.observation import OpenTodo
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.review import Review
from llm_loop.contract.run import PERSON
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import leaderboard
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.journal import Event, last_events, set_torn_line_aside
from llm_loop.memory.leaderboard_text import LeaderboardFiles
from llm_loop.memory.markdown_file import HumanEdit
from llm_loop.memory.mentor_notes import MentorNotes
from llm_loop.memory.past_runs import PastRuns
from llm_loop.memory.shared_todo import Addition, Author, SharedTodo
from llm_loop.memory.signals import can_search_web, priorities_of, trend_of
from llm_loop.memory.state import LoopState
from llm_loop.memory.storyline import Storyline
from llm_loop.memory.workpad import Workpad
from llm_loop.stages.learning.cycle_words import story_of, summary_of
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp

LEADERBOARD_ROWS = 10
_KEPT_DELTAS = 20


class Memory:
    """Hold everything that is remembered beside the state: history, leaderboard and the markdown files.

    ``edits`` collects a person's edits that a write met, until ``take_edits`` hands them over.
    ``damaged`` names lines of the history that could not be read at the start, ``torn`` the files whose last line was
    cut short and set aside beside them. Raises FileWriteError where a file cannot be written; the caller tries again.
    """

    def __init__(self, paths: WorkspacePaths, clock: Clock, config: Config) -> None:
        self._paths = paths
        self._config = config
        stamp = utc_stamp(clock.utc_now())
        self._past = PastRuns(paths, stamp, config.selection_metric, config.selection_direction)
        self.torn = [paths.history.name] * (self._past.torn is not None)
        if set_torn_line_aside(paths.cycle_summaries, stamp) is not None:
            self.torn.append(paths.cycle_summaries.name)
        self.damaged: tuple[CorruptFileError, ...] = self._past.damaged
        self._workpad = Workpad(paths, clock)
        self._todo = SharedTodo(paths, clock)
        self._notes = MentorNotes(paths, clock)
        self._storyline = Storyline(paths, clock)
        self._board = LeaderboardFiles(paths, clock)
        self._edits: list[HumanEdit] = []
        self._housekeeping: dict[str, dict[str, Any]] = {}
        self._deltas: dict[str, float | None] = {}
        self._last_board: leaderboard.Leaderboard | None = None
        self._ranked_seq: int | None = None  # of the last run that the board was built with
        self._summarised_seq = _last_seq(paths.cycle_summaries)

    def ensure_files(self) -> None:
        """Write the headings of markdown files that do not exist yet."""
        for file in (self._workpad, self._todo, self._notes, self._storyline):
            self._met(file.ensure().human_edit)

    def use(self, config: Config) -> None:
        """Follow a changed configuration."""
        self._past.use(config.selection_metric, config.selection_direction)
        self._config = config

    # ------------------------------------------------------------ what others ask

    def latest_rows(self, count: int) -> tuple[HistoryRow, ...]:
        """Return the runs that ended last, at most 300, oldest first."""
        return self._past.latest_rows(count)

    def comparable_rows(self) -> tuple[HistoryRow, ...]:
        """Return ended runs on the data of the latest result: the latest 300, and the best 50 before; oldest first."""
        return self._past.comparable_rows()

    def has_ended(self, run_id: str) -> bool:
        """Tell whether an ended run has this id."""
        return self._past.names.has_ended(run_id)

    def label_is_taken(self, label: str) -> bool:
        """Tell whether an ended run had this label."""
        return self._past.names.label_is_taken(label)

    def has_result(self, run_id: str) -> bool:
        """Tell whether a run ended and left something to build on."""
        return self._past.names.has_result(run_id)

    def runs_without_gain(self, threshold: float = 0.0) -> int:
        """Return how many runs ended since the best one by more than ``threshold``."""
        return self.index.runs_without_gain(threshold)

    def consecutive_failures(self) -> int:
        """Return how many of the last runs in a row did not complete."""
        return self.index.consecutive_failures

    def best(self) -> dict[str, Any] | None:
        """Return the best value of the selection metric so far, and its run."""
        best = self.index.best
        return (
            None
            if best is None
            else {"run_id": best.run_id, "label": best.label, "metric": best.metric, "value": best.value}
        )

    def best_row(self) -> HistoryRow | None:
        """Return the row of the best run so far, None before the first one that ranks."""
        return self._past.best_row()

    def delta_of(self, run_id: str) -> float | None:
        """Return the value of the run that ended last minus the best before it; None when it was the first."""
        delta = self._deltas.get(run_id)
        return delta if delta is not None and math.isfinite(delta) else None  # two huge values of opposite signs

    def tied_with_best(self, run_id: str) -> bool | None:
        """Tell whether the run that ended last differs from the best of the others by no more than the noise.

        None where no noise is known, or the run's configuration stands below the head of the leaderboard.
        """
        entries = () if self._last_board is None else self._last_board.entries
        own = next((entry for entry in entries if run_id in entry.run_ids), None)
        if own is None or own.rank > 1:
            return None if own is None else own.tied_with_best
        return entries[1].tied_with_best if len(entries) > 1 and len(own.run_ids) == 1 else None

    def priorities(self, state: LoopState) -> Priorities:
        """Return the cadence priorities as the worker is shown them."""
        rows = self.comparable_rows()
        return priorities_of(
            state.streaks,
            trend_of(self.index, rows, state),
            rows,
            open_todo_count=len(self.open_todos()),
            cycles_closed=state.cycles_closed,
            can_search_web=can_search_web(self._config.web_search_mode),
        )

    @property
    def index(self) -> HistoryIndex:
        """What the whole history adds up to."""
        return self._past.index

    def open_todos(self) -> tuple[OpenTodo, ...]:
        """Return the open entries of the shared TODO; none when it cannot be read, which ``take_edits`` tells."""
        try:
            return self._todo.open_todos()
        except FileWriteError:
            return ()

    def housekeeping_of(self, trace_id: str) -> dict[str, Any] | None:
        """Return what the worker's housekeeping of a cycle came to, once."""
        return self._housekeeping.pop(trace_id, None)

    def take_edits(self) -> tuple[list[HumanEdit], list[FileWriteError]]:
        """Return a person's edits met or found since the last call, and what cannot be looked at; a stat a file."""
        troubles = []
        for file in (self._workpad, self._todo, self._notes, self._storyline):
            try:
                self._met(file.hand_edit())
            except FileWriteError as error:
                troubles.append(error)
        edits, self._edits = self._edits, []
        return edits, troubles

    def accept_edits(self) -> None:
        """Take the edits that were handed over as known, now that they are journaled."""
        for file in (self._workpad, self._todo, self._notes, self._storyline):
            with suppress(FileWriteError):  # then a restart tells the edit once more
                file.accept()

    # ------------------------------------------------------------ learning

    def remember(self, event: Event, state: LoopState) -> None:
        """Project one event into the history, which decides; no page that a person has open holds it up."""
        if event["event"] == "run_ended":
            self._remember_run(event)

    def learn(self, event: Event, state: LoopState) -> None:
        """Project one event into the pages that people and agents read."""
        match event["event"]:
            case "run_staged":
                self._keep_house(event, event["run"]["cycle_record"]["proposals"])
            case "run_ended":
                self._rank(event)
            case "review":
                self._remember_review(event)
            case "cycle":
                if event["run_id"] is None:
                    self._keep_house(event, event["proposals"])
                self._summarise(event)
                self._tell(event)

    def _remember_run(self, event: Event) -> None:
        row = HistoryRow.from_json({**event["row"], "seq": event["seq"]})
        if row.attempts == 0 and row.failure is None:  # dropped before its launch: its cycle says so
            return
        delta = None if row.result is None else self.index.delta_to_best(row.result.value, row.data_hash)
        if self._past.append(row) and row.result is not None:
            self._deltas = dict(list(self._deltas.items())[-_KEPT_DELTAS:])
            self._deltas[row.run_id] = delta

    def _rank(self, event: Event) -> None:
        last = self._past.last_seq
        if event["row"]["attempts"] == 0 or (event["seq"] < last and self._ranked_seq == last):
            return  # projected once more, with the runs after it: they are all in the board
        board = self._past.board(LEADERBOARD_ROWS)
        self._last_board = board
        known = {"last_seq": last, "states": self.index.states, "best": self.best()}
        self._met(self._board.write(board, known).human_edit)
        self._ranked_seq = last

    def _remember_review(self, event: Event) -> None:
        record = event["record"]
        if not record["run"]:
            return
        review = Review.from_json(
            {"schema_version": 1, **{name: record[name] for name in _REVIEW_FIELDS}}, "a journaled review"
        )
        self._met(self._notes.add(review, cycle=event["cycle"], at_utc=event["ts_utc"]).human_edit)
        if review.todo_updates:
            name = self._config.mentor_display_name
            addition = Addition(
                texts=review.todo_updates, author=Author.MENTOR, display_name=name, cycle=event["cycle"]
            )
            self._met(self._todo.add(addition).human_edit)

    def _keep_house(self, event: Event, proposals: Iterable[dict[str, Any]]) -> None:
        """Apply the housekeeping of the worker's own decision, whoever's decision is carried out."""
        own = [record for record in proposals if record["accepted"] and record["source"] == "primary"]
        if not own:
            return
        kept = Decision.from_json(own[-1]["decision"]).housekeeping
        name = PERSON if own[-1]["proposer"] == PERSON else self._config.worker_display_name
        cycle = event["cycle"]
        resolved = added = 0
        refused: list[str] = []
        if kept.resolve_shared_todo_ids:
            outcome = self._todo.resolve(kept.resolve_shared_todo_ids, by=name, cycle=cycle)
            resolved = len(outcome.resolved)
            self._met(outcome.human_edit)
        if kept.todo_new:
            addition = Addition(
                texts=kept.todo_new, author=Author.WORKER, display_name=name, cycle=cycle, resolved_now=resolved
            )
            added_outcome = self._todo.add(addition)
            added = len(added_outcome.added)
            refused = [f"{entry.text[:120]}: {entry.reason}" for entry in added_outcome.refused]
            self._met(added_outcome.human_edit)
        if kept.notes_update or kept.data_exploration_update:
            written = self._workpad.add(
                at_utc=event["ts_utc"], notes=kept.notes_update, data_exploration=kept.data_exploration_update
            )
            self._met(written.human_edit)
        self._housekeeping[event["cycle_trace_id"]] = {
            "display_name": name,
            "todo_added": added,
            "todo_refused": refused,
            "notes_added": int(bool(kept.notes_update)),
            "data_exploration_added": int(bool(kept.data_exploration_update)),
            "shared_todo_resolved": resolved,
            "shared_todo_unresolved": len(self._todo.open_todos()),
        }

    def _summarise(self, event: Event) -> None:
        if event["seq"] <= self._summarised_seq:
            return
        files.append_line(self._paths.cycle_summaries, files.json_text(summary_of(event)), durable=False)
        self._summarised_seq = event["seq"]

    def _tell(self, event: Event) -> None:
        entry = story_of(event, self._config.selection_direction)
        self._met(self._storyline.add(entry).human_edit)

    def _met(self, edit: HumanEdit | None) -> None:
        if edit is not None:
            self._edits.append(edit)


def _last_seq(path: Path) -> int:
    """Return the seq of the last line that is there; 0 for none. Raises FileWriteError where nothing can be added."""
    try:
        last = last_events(path, 1)
        return int(last[0]["seq"]) if last else 0
    except OSError as error:
        raise FileWriteError(path, "read", error) from error
    except (KeyError, TypeError, ValueError):  # somebody else's line
        return 0


_REVIEW_FIELDS = ("recommendation", "critique", "questions", "mentor_notes", "todo_updates", "suggested_decision")
