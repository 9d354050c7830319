"""Say honestly in words whether two places of a leaderboard differ by more than the noise."""

from __future__ import annotations

from llm_loop.memory.comparison import Comparison
from llm_loop.memory.noise import TieBasis

MORE, TIE, UNKNOWN = "more than the noise", "a tie: inside the noise", "may be noise"


def in_words(found: Comparison) -> str:
    """Say whether a difference is more than the noise."""
    return {False: MORE, True: TIE, None: UNKNOWN}[found.tied]


def judged_by(found: Comparison) -> str:
    """Say by what it was judged."""
    return {
        TieBasis.SEEDS: "judged by the spread over seeds, at 95 %",
        TieBasis.INTERVAL: "judged by the 95 % interval of a single run, which does not hold what another seed changes",
        TieBasis.UNKNOWN: "neither several seeds nor an interval is known",
    }[found.tie_basis]
