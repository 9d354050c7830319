"""Make a report: read the facts, study and draw them, put whole files in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.report.document import Document
from llm_loop.report.facts import read_facts
from llm_loop.report.figures import predictions
from llm_loop.report.figures.all_figures import draw_figures
from llm_loop.report.figures.figure import Figure
from llm_loop.report.leaderboard import leaderboard_json, leaderboard_page
from llm_loop.report.markdown import to_markdown
from llm_loop.report.material import Material
from llm_loop.report.page import to_page
from llm_loop.report.paper import paper_report
from llm_loop.report.places import Places, link_from
from llm_loop.report.story import condensed_story
from llm_loop.report.study import study
from llm_loop.system import files
from llm_loop.views.untrusted import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Hold what is wanted: ``top_k`` places, a person's ``note``, the training repository's place for the record."""

    top_k: int
    note: str
    repo_root: Path
    places: Places


def gather(paths: WorkspacePaths, config: Config | None, wish: Wish, generated_utc: str) -> Material:
    """Read and study a workspace; nothing is written. Raises LoopError, OSError."""
    facts = read_facts(paths, config, wish.top_k, wish.note)
    findings = study(facts)
    figures = draw_figures(facts, findings)
    return Material(facts=facts, findings=findings, figures=figures, generated_utc=generated_utc)


def write_report(material: Material, wish: Wish) -> dict[str, Any]:
    """Write all files, each whole or not at all, the page last; return what is said of it. Raises FileWriteError."""
    places, figures = wish.places, material.figures.drawn()
    story, paper = condensed_story(material), paper_report(material)
    _write_figures(places.figures, figures)
    files.replace_json(places.leaderboard_json, leaderboard_json(material, wish.repo_root))
    _write_markdown(places.leaderboard_md, leaderboard_page(material), places.figures)
    _write_markdown(places.paper_report, paper, places.figures)
    _write_markdown(places.condensed_story, story, places.figures)
    files.replace_text(places.html, to_page(material, story, paper))
    return _summary(material, wish)


def _write_markdown(place: Path, document: Document, figures: Path) -> None:
    files.replace_text(place, to_markdown(document, lambda figure: link_from(place, figures / figure.file_name)))


def _write_figures(folder: Path, figures: tuple[Figure, ...]) -> None:
    for figure in figures:
        files.replace_bytes(folder / figure.file_name, figure.content())
    if not any(figure.name == predictions.NAME for figure in figures):  # of an earlier winner
        files.remove(folder / f"{predictions.NAME}.png")


def _summary(material: Material, wish: Wish) -> dict[str, Any]:
    """Return the one line that a program reads, under the names that it has always known."""
    facts, verdict = material.facts, material.findings.verdict
    value: dict[str, Any] = plain(
        {
            "status": "ok",
            "generated_utc": material.generated_utc,
            "workspace_root": str(facts.paths.root),
            "repo_root": str(wish.repo_root),
            "top_k": wish.top_k,
            "total_ranked_runs": 0 if facts.board is None else facts.board.ranked_runs,
            "best_run_id": None if verdict is None else verdict.run.run_id,
            "best_run_label": None if verdict is None else verdict.run.label,
            "best_model_name": None if verdict is None else verdict.best.model,
            "outputs": wish.places.to_json(),
        }
    )
    return value
