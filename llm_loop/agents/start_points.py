"""Start points: the first proposals after the baseline, before a model of past runs can be trusted.

A Latin hypercube (McKay, Beckman and Conover, 1979) puts one point into each of n equal slices of
every parameter, so that few runs see much of each range. The points are drawn towards the base
configuration, which somebody chose with care: far corners of a training configuration mostly fail.
"""

from __future__ import annotations

import random
from typing import Any

from llm_loop.agents.parameter import Parameter, ParameterType, Scalar
from llm_loop.agents.search_space import SearchSpace

FEWEST = 4
MOST = 8
PULL_TO_BASE = 0.4
"""Share of the way from a Latin-hypercube point to the base configuration (0: none, 1: all the way)."""


def start_point_count(space: SearchSpace) -> int:
    """Return how many start points a space gets: one for three parameters, 4 to 8."""
    return max(FEWEST, min(MOST, round(len(space.parameters) / 3)))


def start_points(space: SearchSpace, seed: int) -> list[dict[str, Scalar]]:
    """Return the start points of a campaign, always the same ones for the same space and seed."""
    draw = random.Random(f"start points {seed}")
    count = start_point_count(space)
    columns = {parameter.name: _column(parameter, space, count, draw) for parameter in space.parameters}
    return [_point(space, {name: column[row] for name, column in columns.items()}) for row in range(count)]


def random_point(space: SearchSpace, seed: int) -> dict[str, Scalar]:
    """Return a proposal drawn evenly over the whole space."""
    draw = random.Random(f"random point {seed}")
    return _point(space, {parameter.name: parameter.from_unit(draw.random()) for parameter in space.parameters})


def _column(parameter: Parameter, space: SearchSpace, count: int, draw: random.Random) -> list[Scalar]:
    """Return one parameter's values for all points, one from each slice, in random order."""
    units = [(slice_ + draw.random()) / count for slice_ in range(count)]
    draw.shuffle(units)
    base: Any = space.fixed.get(parameter.name)
    if parameter.name in space.fixed and parameter.accepts(base):
        if parameter.type is ParameterType.CATEGORICAL:
            kept = set(draw.sample(range(count), round(PULL_TO_BASE * count)))
            return [parameter.normalised(base) if i in kept else parameter.from_unit(u) for i, u in enumerate(units)]
        home = parameter.to_unit(base)
        units = [unit + PULL_TO_BASE * (home - unit) for unit in units]
    return [parameter.from_unit(unit) for unit in units]


def _point(space: SearchSpace, values: dict[str, Scalar]) -> dict[str, Scalar]:
    """Leave out the parameters that do not count."""
    chosen: dict[str, Scalar] = {}
    for parameter in space.parameters:
        if space.counts(parameter, chosen):
            chosen[parameter.name] = values[parameter.name]
    return chosen
