"""Draw the leaderboard: rows for a terminal, a markdown page, and the two files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.leaderboard import ApartRun, Entry, Leaderboard
from llm_loop.memory.markdown_file import MarkdownFile, Written
from llm_loop.memory.markdown_text import field_text
from llm_loop.memory.noise import TieBasis
from llm_loop.system import files
from llm_loop.system.clock import Clock

_LABEL_CHARACTERS = 60
_START = "# Leaderboard\n"
_NOTHING: Mapping[str, Any] = {}


class LeaderboardFiles:
    """Write ``leaderboard.json`` and ``leaderboard.md``.

    Both are made anew each time. A person's version of the page is returned as an edit and kept for a
    day, but not merged.
    """

    def __init__(self, paths: WorkspacePaths, clock: Clock) -> None:
        self._json = paths.leaderboard_json
        self._page = MarkdownFile(paths.leaderboard_markdown, paths.kept_versions, start=_START, clock=clock)

    def write(self, board: Leaderboard, known: Mapping[str, Any] = _NOTHING) -> Written:
        """Write both files; the first also holds what else is ``known`` of all runs. Raises FileWriteError."""
        files.replace_json(self._json, {**board.to_json(), **known}, durable=False)
        page = to_markdown(board)
        return self._page.rewrite(lambda _: page)


def header(board: Leaderboard) -> tuple[str, ...]:
    """Return the column heads of ``text_rows``."""
    breakers = [name for name, _ in _breakers(board)]
    return (
        "#",
        board.metric,
        *breakers,
        "seeds",
        "tied with best",
        "label",
        "model",
        "proposer",
        "seconds",
        "config",
        "runs",
    )


def text_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return one row of texts an entry, best first."""
    return [
        (
            str(entry.rank),
            value_text(entry),
            *("-" if (told := told_of(entry)) is None else f"{told:.4g}" for _, told_of in _breakers(board)),
            str(entry.seeds),
            tie_text(entry),
            field_text(entry.label, _LABEL_CHARACTERS) + (" (stopped early)" if entry.stopped_early else ""),
            field_text(entry.model or "-", _LABEL_CHARACTERS),
            field_text(entry.proposer, _LABEL_CHARACTERS),
            "-" if entry.run_seconds is None else f"{entry.run_seconds:.1f}",
            entry.config_hash or "-",
            _run_ids(entry),
        )
        for entry in board.entries
    ]


def _breakers(board: Leaderboard) -> list[tuple[str, Callable[[Entry], float | None]]]:
    """Return the heads and values of the tie-breakers that any entry has told."""
    both: list[tuple[str, Callable[[Entry], float | None]]] = [
        ("AP", lambda entry: entry.average_precision),
        ("AUC", lambda entry: entry.roc_auc),
    ]
    return [(name, told_of) for name, told_of in both if any(told_of(entry) is not None for entry in board.entries)]


def value_text(entry: Entry) -> str:
    """Return the value with what is known of its noise: ``0.0912 ± 0.0031`` or ``0.0912 [0.08, 0.11]``."""
    if entry.sd is not None:
        return f"{entry.value:.4g} ± {entry.sd:.2g}"
    if entry.interval is not None:
        return f"{entry.value:.4g} [{entry.interval[0]:.3g}, {entry.interval[1]:.3g}]"
    return f"{entry.value:.4g}"


def tie_text(entry: Entry) -> str:
    """Return ``best``, ``tied``, ``no`` or ``not known``."""
    if entry.rank == 1:
        return "best, tied" if entry.tied_with_best else "best"
    if entry.tied_with_best is None:
        return "not known"
    return "tied" if entry.tied_with_best else "no"


def to_markdown(board: Leaderboard) -> str:
    """Return the page: the table, what its words mean, and the runs that are listed apart."""
    lines = [
        "# Leaderboard",
        "",
        f"Selection metric: {field_text(board.metric, _LABEL_CHARACTERS)}"
        f" ({'smaller' if board.direction == 'min' else 'larger'} is better)."
        f" {board.ranked_runs} ranked runs of {board.ranked_configs} configurations."
        " The loop writes this page anew after each run; write your own notes elsewhere.",
        "",
    ]
    lines += _table(board) if board.entries else ["No run has a result yet."]
    lines += _apart_lines(board)
    return "".join(f"{line}\n" for line in lines)


def _table(board: Leaderboard) -> list[str]:
    heads = header(board)
    lines = [_table_line(heads), _table_line(("---",) * len(heads))]
    lines += [_table_line(row) for row in text_rows(board)]
    sources = ", ".join(dict.fromkeys(entry.score_source for entry in board.entries))
    return [
        *lines,
        "",
        "A value after ± is the sample standard deviation over seeds; [low, high] is the run's own 95 % interval.",
        *tie_notes(board),
        f"Scores are {sources.replace('_', '-')} on the validation images. The first of many looks better than it is.",
    ]


def tie_notes(board: Leaderboard) -> list[str]:
    """Return a line for each way in which the ties of this board were judged."""
    bases = {entry.tie_basis for entry in board.entries}
    notes = []
    if TieBasis.SEEDS in bases:
        notes.append(
            "Tied by seeds: the difference of the means lies within the 95 % interval that the spread over seeds gives"
            " (Welch's; for an entry with one seed, the spread pooled over all repeated configurations)."
        )
    if TieBasis.INTERVAL in bases:
        notes.append(
            "Tied by interval: one value lies within the other's 95 % interval; what another seed would change is"
            " not known."
        )
    if TieBasis.UNKNOWN in bases:
        notes.append("Not known: neither several seeds nor an interval, so a difference may be noise.")
    return notes


def _apart_lines(board: Leaderboard) -> list[str]:
    if not board.apart_counts:
        return []
    counts = ", ".join(f"{count} {field_text(state, 40)}" for state, count in board.apart_counts.items())
    shown = [f"- {line}" for line in apart_texts(board)]
    return ["", "## Not ranked", "", f"{counts}. The last ones:", "", *shown]


def apart_texts(board: Leaderboard) -> list[str]:
    """Return one line a run that is listed apart, the last ones: how it ended, and the best that it logged."""
    return [_apart_text(run, board.metric) for run in board.apart]


def _apart_text(run: ApartRun, metric: str) -> str:
    cause = f" ({field_text(run.cause, 120)})" if run.cause else ""
    partial = "" if run.partial_value is None else f", partial {metric} {run.partial_value:.4g}"
    return f"{run.run_id} {field_text(run.label, _LABEL_CHARACTERS)}: {run.state}{cause}{partial}"


def _run_ids(entry: Entry) -> str:
    shown = ", ".join(entry.run_ids[:4])
    return shown if len(entry.run_ids) <= 4 else f"{shown}, and {len(entry.run_ids) - 4} more"


def _table_line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
