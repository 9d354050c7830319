"""What to run next: the baseline, a start point, the model's proposal, or a seed repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_loop.agents.evidence import Evidence, Experiment
from llm_loop.agents.parameter import Scalar
from llm_loop.agents.search_space import SearchSpace
from llm_loop.agents.start_points import random_point, start_point_count, start_points
from llm_loop.errors import LoopError

REPEAT_AFTER = 6
"""Every sixth run, from the seventh on, repeats a leading configuration with another seed."""
MOST_SEEDS = 3
SAME_DISTANCE = 0.001
ATTEMPTS = 30


class Kind(StrEnum):
    """Why an experiment is proposed."""

    BASELINE = "baseline"
    START_POINT = "start_point"
    MODEL = "model"
    SEED_REPEAT = "seed_repeat"
    NEGLECTED = "neglected"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Hold one proposed experiment.

    ``params`` are the counting parameters, ``changes`` what to lay over the base, ``seed`` the
    training seed (None: the base's own). ``place`` and ``places`` number the start points;
    ``repeats`` is the experiment of a seed repeat, or the one that a neglected dimension varies.
    """

    kind: Kind
    params: Mapping[str, Scalar]
    changes: Mapping[str, Any]
    seed: int | None = None
    place: int = 0
    places: int = 0
    repeats: Experiment | None = None


def next_experiment(
    space: SearchSpace,
    evidence: Evidence,
    seed: int,
    *,
    refused: int = 0,
    avoid: Sequence[Mapping[str, Scalar]] = (),
) -> Proposal | None:
    """Return the next experiment, or None when the space is exhausted and nothing is worth a repeat.

    The answer depends on the arguments alone. ``refused`` is the number of earlier proposals of
    this cycle: as many fresh ones are passed over. ``avoid`` are further configurations not to propose.
    """
    if not refused and not avoid and (repeat := seed_repeat(space, evidence)) is not None:
        return repeat
    tried = [*evidence.tried, *avoid]
    fresh = _start_proposals(space, evidence, tried, seed)
    if refused < len(fresh):
        return fresh[refused]
    passed: list[Mapping[str, Scalar]] = [proposal.params for proposal in fresh]
    for attempt in range(ATTEMPTS):
        params = _model_proposal(space, evidence, seed + evidence.run_count + attempt, use_model=attempt < ATTEMPTS / 2)
        if is_known(space, params, [*tried, *passed]):
            continue
        if len(passed) == refused:
            return Proposal(kind=Kind.MODEL, params=params, changes=params)
        passed.append(params)
    return seed_repeat(space, evidence, at_any_time=True)


def seed_repeat(space: SearchSpace, evidence: Evidence, *, at_any_time: bool = False) -> Proposal | None:
    """Return a repeat of a leading configuration with another seed when its turn has come, else None.

    Among those tied with the best one, the configuration with the fewest seeds is repeated, and
    none more than three times in all.
    """
    due = evidence.run_count >= REPEAT_AFTER and evidence.run_count % REPEAT_AFTER == 0
    best = evidence.best
    if space.seed_key is None or best is None or not (due or at_any_time):
        return None
    leaders = [one for one in evidence.experiments if evidence.tied(one, best) and len(one.runs) < MOST_SEEDS]
    if not leaders:
        return None
    chosen = min(leaders, key=lambda one: (len(one.runs), -evidence.score(one)))
    return Proposal(
        kind=Kind.SEED_REPEAT,
        params=chosen.params,
        changes=chosen.exact,
        seed=fresh_seed(space, evidence, chosen),
        repeats=chosen,
    )


def is_known(space: SearchSpace, params: Mapping[str, Scalar], tried: Sequence[Mapping[str, Scalar]]) -> bool:
    """Tell whether a configuration is, for all practical purposes, one of those tried."""
    return any(
        params.keys() == other.keys() and max(space.distances(params, other).values(), default=0.0) <= SAME_DISTANCE
        for other in tried
    )


def _start_proposals(
    space: SearchSpace, evidence: Evidence, tried: Sequence[Mapping[str, Scalar]], seed: int
) -> list[Proposal]:
    """Return the start points that are still to run; none once enough is known for the model."""
    known = len(evidence.experiments) + len(evidence.faulty) + len(evidence.pending) + evidence.blind_runs
    places = start_point_count(space)
    if known > places:
        return []
    proposals = [
        Proposal(kind=Kind.START_POINT, params=params, changes=params, place=place, places=places)
        for place, params in enumerate(start_points(space, seed), start=1)
        if not is_known(space, params, tried)
    ]
    return proposals[evidence.blind_runs :]


def _model_proposal(space: SearchSpace, evidence: Evidence, seed: int, *, use_model: bool) -> dict[str, Scalar]:
    if not use_model or not (evidence.experiments or evidence.faulty):
        return random_point(space, seed)
    # imported here, because a start point needs no optimiser and this import takes a third of a second
    try:
        from llm_loop.agents.optimiser import Outcome, Trial, propose
    except ModuleNotFoundError as error:
        raise LoopError(f"the built-in planner needs {error.name}: pip install 'llm_loop[planner]'") from error

    trials = [Trial(params=one.params, outcome=Outcome.MEASURED, value=one.mean) for one in evidence.experiments]
    trials += [Trial(params=params, outcome=Outcome.FAULTY) for params in evidence.faulty]
    trials += [Trial(params=params, outcome=Outcome.PENDING) for params in evidence.pending]
    return propose(space, trials, evidence.direction.value, seed)


def fresh_seed(space: SearchSpace, evidence: Evidence, experiment: Experiment) -> int:
    """Return the lowest seed above those that the configuration has been run with, or is about to be."""
    base = space.fixed.get(space.seed_key or "")
    used = {base if isinstance(base, int) and not isinstance(base, bool) else 0}
    used |= {run.seed for run in experiment.runs if run.seed is not None}
    for run in evidence.pending_runs:
        params = None if run.params is None else space.project(run.params)
        if params is not None and run.seed is not None and is_known(space, params, [experiment.params]):
            used.add(run.seed)
    return max(used) + 1
