"""The leaderboard as lines for people: the places, what a tie means, and the runs that are listed apart."""

from __future__ import annotations

from collections.abc import Iterator

from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.memory.leaderboard_text import apart_texts, header, text_rows, tie_notes
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import better


def leaderboard_lines(board: Leaderboard) -> Iterator[str]:
    """Yield the ranking, then how its ties were judged, where the scores come from, and what is not ranked."""
    configs = f"{board.ranked_configs} configuration{'' if board.ranked_configs == 1 else 's'}"
    runs = f"{board.ranked_runs} ranked run{'' if board.ranked_runs == 1 else 's'}"
    yield f"Leaderboard by {clean(board.metric, 60)}, {better(board.direction)}: {runs} of {configs}"
    if board.entries:
        yield from _table([header(board), *text_rows(board)])
        yield from tie_notes(board)
        sources = ", ".join(dict.fromkeys(clean(entry.score_source, 40) for entry in board.entries))
        yield f"Scores are {sources}, on the validation data. The first of many looks better than it is."
    if len(board.entries) < board.ranked_configs:
        yield f"{board.ranked_configs - len(board.entries)} more below: --top shows them."
    if board.apart_counts:
        counts = ", ".join(f"{count} {clean(state, 40)}" for state, count in sorted(board.apart_counts.items()))
        yield f"Not ranked: {counts}. The last of them:"
        yield from (f"  {line}" for line in apart_texts(board))


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows with their columns in line."""
    cleaned = [[clean(cell, 120) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cleaned, strict=True)]
    for row in cleaned:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {cells}".rstrip()
