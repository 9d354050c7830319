"""The final leaderboard, as a page and as data with the keys that its readers have always known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_loop.memory.leaderboard import Entry, Leaderboard
from llm_loop.memory.leaderboard_text import apart_texts, header, text_rows, tie_notes
from llm_loop.report.document import Block, Bullets, Document, Heading, Paragraph, Table
from llm_loop.report.facts import best_row
from llm_loop.report.material import Material
from llm_loop.report.wording import NOTHING_YET, counted, selected
from llm_loop.runs.progress import Row, finite, rows_of_file, rows_of_metrics_json
from llm_loop.runs.progress import best_row as best_epoch
from llm_loop.views.untrusted import clean, plain, whole_of
from llm_loop.views.wording import better

_NUMBERS = frozenset({0, 2, 7})


def leaderboard_page(material: Material) -> Document:
    """Return the page."""
    blocks = [*leaderboard_blocks(material), Paragraph(text=f"Made {material.generated_utc}.")]
    return Document(title=f"Final leaderboard, top {material.facts.top_k}", blocks=tuple(blocks))


def leaderboard_blocks(material: Material) -> Iterator[Block]:
    """Yield the table, what its words mean, and the runs that are not ranked."""
    board = material.shown_board
    if board is None or not board.entries:
        yield Paragraph(text=NOTHING_YET)
    else:
        runs, configs = counted(board.ranked_runs, "ranked run"), counted(board.ranked_configs, "configuration")
        yield Paragraph(text=f"By {clean(board.metric, 60)}, {better(board.direction)}: {runs} of {configs}.")
        yield Table(head=header(board), rows=tuple(text_rows(board)), numbers=_NUMBERS)
        yield Bullets(items=tuple(_words(board)))
    if board is not None and board.apart_counts:
        yield Heading(level=3, text="Not ranked")
        counts = ", ".join(f"{count:,} {clean(state, 40)}" for state, count in sorted(board.apart_counts.items()))
        yield Paragraph(text=f"{counts}. The last ones:")
        yield Bullets(items=tuple(clean(line, 400) for line in apart_texts(board)))


def _words(board: Leaderboard) -> Iterator[str]:
    yield "A value after ± is the sample standard deviation over seeds; [low, high] is the run's own 95 % interval."
    yield from tie_notes(board)
    yield selected(board.ranked_configs)


def leaderboard_json(material: Material, repo_root: Path) -> dict[str, Any]:
    """Return the data: the ranking as ``llm-loop leaderboard --json`` has it, and ``rows``, one a place."""
    facts, board = material.facts, material.shown_board
    by_id = material.findings.by_id
    head = {
        "generated_utc": material.generated_utc,
        "workspace_root": str(facts.paths.root),
        "repo_root": str(repo_root),
        "top_k": facts.top_k,
        "total_ranked_runs": 0 if board is None else board.ranked_runs,
    }
    ranking = {"schema_version": 1, "metric": None, "entries": []} if board is None else board.to_json()
    rows = [] if board is None else [_row(entry, material, board) for entry in board.entries]
    test = None if facts.test is None else facts.test.to_json()
    best = None if board is None or board.best is None else best_row(board.best, by_id, board).run_id
    value: dict[str, Any] = plain({**ranking, **head, "best_run_id": best, "test_result": test, "rows": rows})
    return value


def _row(entry: Entry, material: Material, board: Leaderboard) -> dict[str, Any]:
    """Return one place under the known names: ``best`` and ``latest`` hold the epoch and every metric at it."""
    row = best_row(entry, material.findings.by_id, board)
    folder = material.facts.attempt_folder(row.run_id)
    epochs = [] if folder is None else _epochs(folder)
    best = best_epoch(epochs, board.metric, board.direction)
    has_weights = folder is not None and (folder / "best_model.pt").is_file()
    return {
        "run_id": row.run_id,
        "run_label": row.label,
        "run_dir": str(material.facts.paths.run(row.run_id) if folder is None else folder),
        "model_name": entry.model,
        "rows_parsed": len(epochs),
        "status": "ok" if has_weights else "no_best_checkpoint",
        "best": _metrics(best),
        "latest": _metrics(epochs[-1] if epochs else None),
    }


def _epochs(folder: Path) -> list[Row]:
    return rows_of_file(folder / "metrics.jsonl") or rows_of_metrics_json(folder / "metrics.json")


def _metrics(row: Mapping[str, Any] | None) -> dict[str, float | int | None] | None:
    """Return the epoch and what was measured on the validation data at it, finite numbers alone."""
    if row is None:
        return None
    named = ((clean(str(name), 80), finite(value)) for name, value in row.items() if str(name).startswith("val_"))
    return {"epoch": whole_of(row.get("epoch"))} | {name: value for name, value in named if value is not None}
