"""The planner on a landscape: it learns, in both directions, and more than luck does."""

from __future__ import annotations

from statistics import fmean

import pytest

from llm_loop.agents.evidence import gather
from llm_loop.agents.optimiser import Outcome, Trial, propose
from llm_loop.agents.parameter import ParameterType
from llm_loop.agents.planner import Kind, next_experiment
from llm_loop.agents.search_space import SearchSpace, flat_config
from llm_loop.agents.start_points import random_point, start_point_count, start_points
from tests.agents.small_campaign import campaign, landscape, observe

SEEDS = range(5)
TRIALS = 25


@pytest.mark.parametrize("direction", ["min", pytest.param("max", marks=pytest.mark.slow)])
def test_it_beats_random_search_after_25_runs(space: SearchSpace, direction: str) -> None:
    sign = -1 if direction == "max" else 1
    planned, drawn, baseline = [], [], 0.0
    for seed in SEEDS:
        history = campaign(TRIALS, direction=direction, seed=seed)
        planned.append(min(sign * (run.value or 0.0) for run in history))
        baseline = sign * (history[0].value or 0.0)
        points = (random_point(space, 1000 * seed + number) for number in range(TRIALS - 1))
        losses = [landscape(flat_config(space.trial_config(point))) for point in points]
        drawn.append(min(baseline, *losses))
    optimum = 0.05
    assert fmean(planned) - optimum < 0.6 * (fmean(drawn) - optimum)
    assert max(planned) < baseline


def test_start_points_fill_every_slice_of_a_range(space: SearchSpace) -> None:
    bare = SearchSpace(**{**{name: getattr(space, name) for name in space.__slots__}, "base": {}, "fixed": {}})
    points = start_points(bare, 11)
    count = start_point_count(bare)
    assert len(points) == count
    for parameter in bare.parameters:
        if parameter.type is ParameterType.FLOAT and not parameter.when:
            slices = sorted(int(parameter.to_unit(point[parameter.name]) * count) for point in points)
            assert slices == list(range(count)), parameter.name


def test_start_points_are_drawn_towards_the_base(space: SearchSpace) -> None:
    rate = next(one for one in space.parameters if one.name == "optimizer.learning_rate")
    home = rate.to_unit(0.01)
    for seed in SEEDS:
        for point in start_points(space, seed):
            assert abs(rate.to_unit(point[rate.name]) - home) <= 0.6 * max(home, 1 - home) + 0.01


def test_start_points_hold_conditional_parameters_only_where_they_count(space: SearchSpace) -> None:
    points = [point for seed in SEEDS for point in start_points(space, seed)]
    assert {point["optimizer.name"] for point in points} == {"sgd", "adamw"}
    assert all(("optimizer.momentum" in point) == (point["optimizer.name"] == "sgd") for point in points)


def test_the_model_proposes_conditional_parameters_only_where_they_count(space: SearchSpace) -> None:
    trials = [Trial(params=random_point(space, seed), outcome=Outcome.MEASURED, value=1.0) for seed in range(12)]
    asked = [propose(space, trials, "min", seed) for seed in range(12)]
    assert {point["optimizer.name"] for point in asked} == {"sgd", "adamw"}
    for point in asked:
        assert space.project(flat_config(space.trial_config(point))) == point


def test_the_model_shuns_what_diverged(space: SearchSpace) -> None:
    """A faulty trial weighs like the worst one: a failed one would not be looked at."""
    points = [random_point(space, seed) for seed in range(30)]
    good = [p for p in points if p["augmentation.flip"] is False]
    bad = [p for p in points if p["augmentation.flip"] is True]
    trials = [Trial(params=p, outcome=Outcome.MEASURED, value=1.0) for p in good]
    faulty = [Trial(params=p, outcome=Outcome.FAULTY) for p in bad]

    def flips(known: list[Trial]) -> int:
        return sum(propose(space, known, "min", seed)["augmentation.flip"] is True for seed in range(30))

    assert flips(trials + faulty) < flips(trials + [Trial(params=p, outcome=Outcome.MEASURED, value=0.5) for p in bad])
    assert flips(trials + faulty) <= 6


def test_pending_trials_push_the_model_away(space: SearchSpace) -> None:
    trials = [
        Trial(params=point, outcome=Outcome.MEASURED, value=landscape(flat_config(space.trial_config(point))))
        for point in (random_point(space, seed) for seed in range(12))
    ]
    first = propose(space, trials, "min", 5)
    pending = [Trial(params=first, outcome=Outcome.PENDING)] * 5
    assert propose(space, trials + pending, "min", 5) != first


def test_seeds_of_one_configuration_enter_as_their_mean(space: SearchSpace) -> None:
    history = campaign(7)
    evidence = gather(observe(history), space)
    repeated = next(one for one in evidence.experiments if len(one.runs) == 2)
    assert repeated.mean == pytest.approx(fmean(run.value or 0.0 for run in repeated.runs))
    assert len(evidence.experiments) == 6


def test_leaders_are_repeated_three_times_at_most(space: SearchSpace) -> None:
    history = campaign(48)
    repeats = [run for run in history if "-seed" in run.label]
    assert 3 <= len(repeats) <= 8
    assert all(sum(one.label.startswith(run.label) for one in repeats) <= 2 for run in history)


def test_start_points_come_first_and_the_model_after(space: SearchSpace) -> None:
    kinds = []
    for count in range(1, 10):
        proposal = next_experiment(space, gather(observe(campaign(count)), space), 0)
        assert proposal is not None
        kinds.append(proposal.kind)
    count = start_point_count(space)
    assert kinds[:count] == [Kind.START_POINT] * count
    assert set(kinds[count:]) == {Kind.MODEL, Kind.SEED_REPEAT}


def test_what_is_to_be_avoided_is_not_proposed(space: SearchSpace) -> None:
    for count in (1, 9):
        evidence = gather(observe(campaign(count)), space)
        first = next_experiment(space, evidence, 0)
        assert first is not None
        second = next_experiment(space, evidence, 0, avoid=[first.params])
        assert second is not None
        assert second.params != first.params
