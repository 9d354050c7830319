"""Where the files of a report go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from llm_loop.contract.paths import WorkspacePaths

FIGURES = "final_figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Hold the place of each file; ``figures`` is a folder."""

    condensed_story: Path
    paper_report: Path
    leaderboard_json: Path
    leaderboard_md: Path
    html: Path
    figures: Path

    def to_json(self) -> dict[str, str]:
        """Return the places as texts."""
        return {name: str(getattr(self, name)) for name in self.__slots__}


def standard_places(paths: WorkspacePaths, top_k: int) -> Places:
    """Return the places that readers know."""
    return Places(
        condensed_story=paths.artifacts / "final_condensed_story.md",
        paper_report=paths.artifacts / "final_paper_report.md",
        leaderboard_json=paths.artifacts / f"final_leaderboard_top{top_k}.json",
        leaderboard_md=paths.artifacts / f"final_leaderboard_top{top_k}.md",
        html=paths.artifacts / "final_report.html",
        figures=paths.artifacts / FIGURES,
    )


def link_from(page: Path, file: Path) -> str:
    """Return the address of a file for a link on a page elsewhere: relative where both are on one drive."""
    try:
        return quote(Path(os.path.relpath(file, page.parent)).as_posix())
    except ValueError:
        return file.as_uri()
