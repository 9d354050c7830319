"""Neglected dimensions: which one the latest runs left alone, and an experiment that varies it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from llm_loop.agents.evidence import Evidence, Experiment
from llm_loop.agents.parameter import Scalar
from llm_loop.agents.planner import Kind, Proposal, is_known
from llm_loop.agents.search_space import SearchSpace
from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.observation import KnownRun

LOOKED_AT = 8
CANDIDATES = 32
_EDGE = 0.1


def least_tried(space: SearchSpace, runs: Sequence[KnownRun]) -> tuple[IdeaCategory, int] | None:
    """Return the dimension of the space that the latest eight runs tried least, and how often.

    None when the space has fewer than two dimensions. Of equals the one listed first wins.
    """
    dimensions = list(dict.fromkeys(parameter.category for parameter in space.parameters))
    if len(dimensions) < 2:
        return None
    tried = Counter(run.idea_category for run in runs[-LOOKED_AT:])
    least = min(dimensions, key=lambda one: tried[one.value])
    return least, tried[least.value]


def vary(
    space: SearchSpace,
    evidence: Evidence,
    dimension: IdeaCategory,
    seed: int,
    avoid: Sequence[Mapping[str, Scalar]] = (),
) -> Proposal | None:
    """Return the best experiment with only one dimension's parameters changed, or None.

    Of a few draws the one furthest from everything tried is taken; the outer tenths of each range
    are left out, because extremes teach little about a dimension that nobody has looked at.
    """
    best = evidence.best
    if best is None:
        return None
    draw = random.Random(f"neglected {dimension.value} {seed} {evidence.run_count}")
    tried = [*evidence.tried, *avoid]
    drawn = [_redrawn(space, best, dimension, draw) for _ in range(CANDIDATES)]
    candidates = [params for params in drawn if not is_known(space, params, tried)]
    if not candidates:
        return None
    furthest = max(candidates, key=lambda params: _distance_to_nearest(space, params, tried, dimension))
    ours = {parameter.name for parameter in space.parameters if parameter.category is dimension}
    moved = {name: value for name, value in furthest.items() if name in ours or name not in best.exact}
    return Proposal(kind=Kind.NEGLECTED, params=furthest, changes={**best.exact, **moved}, repeats=best)


def _redrawn(space: SearchSpace, best: Experiment, dimension: IdeaCategory, draw: random.Random) -> dict[str, Scalar]:
    chosen: dict[str, Scalar] = {}
    for parameter in space.parameters:
        fresh = parameter.from_unit(_EDGE + (1 - 2 * _EDGE) * draw.random())
        if not space.counts(parameter, chosen):
            continue
        kept = best.params.get(parameter.name, space.fixed.get(parameter.name))
        if parameter.category is dimension or not parameter.accepts(kept):
            chosen[parameter.name] = fresh
        else:
            chosen[parameter.name] = parameter.normalised(kept)
    return chosen


def _distance_to_nearest(
    space: SearchSpace, params: Mapping[str, Scalar], tried: Sequence[Mapping[str, Scalar]], dimension: IdeaCategory
) -> float:
    ours = [parameter.name for parameter in space.parameters if parameter.category is dimension]
    apart = (space.distances(params, other) for other in tried)
    return min((sum(one.get(name, 0.0) for name in ours) for one in apart), default=0.0)
