"""What every part of the report is written from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.facts import Facts
from llm_loop.report.figures.all_figures import Figures
from llm_loop.report.study import Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Hold facts, findings and figures, and the moment (ISO 8601, UTC) at which the report is made."""

    facts: Facts
    findings: Findings
    figures: Figures
    generated_utc: str

    @property
    def shown_board(self) -> Leaderboard | None:
        """The leaderboard as far as it is shown."""
        board, top_k = self.facts.board, self.facts.top_k
        return None if board is None else replace(board, entries=board.entries[:top_k], top_k=top_k)
