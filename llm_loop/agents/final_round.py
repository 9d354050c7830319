"""The final round: the best configuration once more, with another seed, for as long as the time that is left allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llm_loop.agents.evidence import Evidence, Experiment
from llm_loop.agents.parameter import is_number
from llm_loop.agents.planner import Kind, Proposal, fresh_seed
from llm_loop.agents.search_space import SearchSpace
from llm_loop.contract.observation import Observation

FINAL_TRAINING = "final_training"
MOST_TIMES_LONGER = 4
"""A final round has at most so many times the epochs of what it repeats: beyond that it is another experiment."""
_OF_THE_TIME = 0.75
"""What of the time that is left is planned for: epochs are not all alike, and a start takes its own."""
_LEAST_SHARE = 0.25
"""A final round of less than this share of the epochs would show nothing."""


def in_final_training(observation: Observation) -> bool:
    """Tell whether the finish-up asks for a final training."""
    window = observation.context.finish_up
    return window is not None and window.phase == FINAL_TRAINING


def final_round(space: SearchSpace, evidence: Evidence, observation: Observation) -> Proposal | str:
    """Return the final round, or why there is none: nothing to repeat, or nothing of it would fit.

    The time of an epoch is the slowest of the runs of that configuration; where all of them were stopped early, it is
    at least what they took. Without ``budget_key`` in the search space, or times to go by, the round is as long as
    those runs, where that fits.
    """
    window, best = observation.context.finish_up, evidence.best
    if best is None or window is None:
        return "no run of the search space has a result that could be trained once more"
    if space.seed_key is None:
        return "the search space names no seed_key: the best configuration once more would be the same run"
    timed = [(run.run_seconds, run.stopped_early) for run in best.runs if run.run_seconds is not None]
    whole = [took_s for took_s, stopped_early in timed if not stopped_early]
    seconds = whole or [took_s for took_s, _ in timed]  # one that was stopped takes so long at least
    left_s = window.training_seconds_left
    budget: Mapping[str, Any] = {}
    if seconds and left_s is not None:
        found = _budget(space, best, max(seconds), _OF_THE_TIME * left_s)
        if isinstance(found, str):
            return found
        budget = found
    changes = {**best.exact, **budget}
    seed = fresh_seed(space, evidence, best)
    return Proposal(kind=Kind.FINAL, params=best.params, changes=changes, seed=seed, repeats=best)


def final_reason(space: SearchSpace, proposal: Proposal, repeated: Experiment) -> str:
    """Say what a final round is, for people."""
    epochs = proposal.changes.get(space.budget_key or "")
    length = "as long as before" if epochs is None else f"for {epochs} epochs, which is what fits"
    return f"Final round: {repeated.name}, the best so far, is trained once more with seed {proposal.seed}, {length}."


def _budget(space: SearchSpace, best: Experiment, run_s: float, left_s: float) -> Mapping[str, Any] | str:
    """Return the change of the budget that fits into ``left_s``, or why nothing does."""
    before = _epochs(space, best)
    if before is None:
        fits = run_s <= left_s
        return {} if fits else f"one more run takes about {run_s:.0f} s, and {left_s:.0f} s are left for it"
    assert space.budget_key is not None
    epochs = min(math.floor(left_s / (run_s / before)), MOST_TIMES_LONGER * before)
    if epochs < max(1, math.ceil(_LEAST_SHARE * before)):
        return f"an epoch takes about {run_s / before:.1f} s: of {before} epochs {max(0, epochs)} would fit"
    return {space.budget_key: epochs}


def _epochs(space: SearchSpace, best: Experiment) -> int | None:
    """Return the epochs of the runs that are repeated, None where that is not known."""
    if space.budget_key is None:
        return None
    told = [run.params.get(space.budget_key) for run in best.runs if run.params is not None]
    value = next((one for one in told if is_number(one)), space.fixed.get(space.budget_key))
    return int(value) if is_number(value) and value is not None and value >= 1 else None
