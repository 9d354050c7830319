"""What the past runs say about a search space: experiments, the best one, and the noise between seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from llm_loop.agents.parameter import Scalar, same_scalar
from llm_loop.agents.search_space import SearchSpace
from llm_loop.agents.wording import number_text, same_label
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.observation import KnownRun, Observation
from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.contract.stop_reasons import DIVERGED, NAN

BEST_RUNS_KEPT = 100
LATEST_RUNS_KEPT = 300
CONFIGURATION_FAULTS = frozenset(
    {"non_finite_metric", NAN, DIVERGED, Cause.DIVERGENCE, Cause.CUDA_OUT_OF_MEMORY, Cause.HOST_OUT_OF_MEMORY}
)
"""Causes of a failure that speak against the configuration; any other cause speaks against its surroundings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Hold one configuration and its measured runs, oldest first; several runs differ by seed.

    ``params`` are the parameters as the search space sees them; ``exact`` holds what makes this
    configuration out of the base again: the same ones as they were run, and other keys of the base
    that these runs had at other values.
    """

    params: Mapping[str, Scalar]
    exact: Mapping[str, Any]
    runs: tuple[KnownRun, ...]

    @property
    def mean(self) -> float:
        """The mean of the selection metric over the runs."""
        return fmean(_value(run) for run in self.runs)

    @property
    def name(self) -> str:
        """The first run's id and label, for people."""
        return f"{self.runs[0].run_id}, {self.runs[0].label}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Hold what is known: measured experiments (oldest first), faulty and pending configurations.

    ``unexplained`` are configurations of runs that ended without a value for another reason.
    Of the runs outside the search space only ``best_outside`` is kept. ``blind_runs`` counts those of unknown
    configuration, the bootstrap run not among them.
    ``noise`` is the standard deviation between seeds of one configuration, pooled; None until one
    configuration has two runs.
    """

    direction: Direction
    experiments: tuple[Experiment, ...]
    faulty: tuple[Mapping[str, Scalar], ...]
    pending: tuple[Mapping[str, Scalar], ...]
    unexplained: tuple[Mapping[str, Scalar], ...]
    best_outside: KnownRun | None
    pending_runs: tuple[KnownRun, ...]
    blind_runs: int
    run_count: int
    noise: float | None

    def score(self, experiment: Experiment) -> float:
        """Return the experiment's mean, turned so that higher is better."""
        return higher_is_better(experiment.mean, self.direction)

    @property
    def best(self) -> Experiment | None:
        """The experiment with the best mean; the earlier one of equals."""
        return max(self.experiments, key=self.score, default=None)

    def tied(self, one: Experiment, other: Experiment) -> bool:
        """Tell whether two experiments differ by less than two standard errors of their difference.

        Without a measured noise only equal means are tied.
        """
        error = (self.noise or 0.0) * math.sqrt(1 / len(one.runs) + 1 / len(other.runs))
        return abs(one.mean - other.mean) <= 2 * error

    def leader(self, metric: str) -> str:
        """Say which run leads, for people: ``Best so far: val_log_loss 0.21 (R0004, label)``."""
        inside, outside = self.best, self.best_outside
        if inside is None and outside is None:
            return f"No {metric} has been measured yet"
        text = "" if inside is None else f"{metric} {number_text(inside.mean)} ({inside.name}{_seeds(inside)})"
        if outside is None or (inside is not None and self.score(inside) >= self._run_score(outside)):
            return f"Best so far: {text}"
        best = f"Best so far: {metric} {number_text(_value(outside))} ({outside.run_id}, {outside.label})"
        return f"{best}, outside the search space; inside it {text or 'nothing is measured'}"

    def _run_score(self, run: KnownRun) -> float:
        return higher_is_better(_value(run), self.direction)

    @property
    def tried(self) -> list[Mapping[str, Scalar]]:
        """Every configuration that somebody has run already, or is about to."""
        measured = [experiment.params for experiment in self.experiments]
        return [*measured, *self.faulty, *self.pending, *self.unexplained]


def gather(observation: Observation, space: SearchSpace) -> Evidence:
    """Read an observation's runs into evidence.

    Of a long history the best 100 and the latest 300 measured runs are looked at, so that a call
    stays well under a second. Values that are missing or not finite are ignored.
    """
    direction = Direction(observation.domain.selection_direction)
    pending_runs = (*observation.active_runs, *observation.staged_runs)
    measured = _worth_reading(observation.history, direction)
    experiments = _experiments(measured, space)
    ended = [run for run in observation.history[-LATEST_RUNS_KEPT:] if not is_measured(run)]
    return Evidence(
        direction=direction,
        experiments=experiments,
        faulty=_projected([run for run in ended if is_own_fault(run)], space),
        pending=_projected(pending_runs, space),
        unexplained=_projected([run for run in ended if not is_own_fault(run)], space),
        best_outside=_best_outside(measured, experiments, direction),
        pending_runs=pending_runs,
        blind_runs=sum(
            run.params is None and not same_label(run.label, observation.bootstrap.label)
            for run in (*measured, *ended, *pending_runs)
        ),
        run_count=len(observation.history) + len(pending_runs),
        noise=_pooled_deviation([[_value(run) for run in experiment.runs] for experiment in experiments]),
    )


def _experiments(measured: Sequence[KnownRun], space: SearchSpace) -> tuple[Experiment, ...]:
    """Group measured runs by configuration, in order of first appearance."""
    chosen = _chosen_keys(measured, space)
    grouped: dict[tuple[Any, ...], Experiment] = {}
    for run in measured:
        params = _project(run, space)
        if params is None or run.params is None:
            continue
        changes = {key: run.params[key] for key in chosen if _differs(run, key, space.fixed[key])}
        exact = {name: run.params[name] for name in params} | changes
        key = _key(exact)
        known = grouped.get(key)
        runs = (run,) if known is None else (*known.runs, run)
        grouped[key] = Experiment(params=params, exact=exact, runs=runs)
    return tuple(grouped.values())


def _best_outside(
    measured: Sequence[KnownRun], experiments: Sequence[Experiment], direction: Direction
) -> KnownRun | None:
    inside = {run.run_id for experiment in experiments for run in experiment.runs}
    outside = [run for run in measured if run.run_id not in inside]
    return max(outside, key=lambda run: higher_is_better(_value(run), direction), default=None)


def _chosen_keys(measured: Sequence[KnownRun], space: SearchSpace) -> list[str]:
    """Return the base keys, no parameters, at which the runs differ among themselves.

    A key at which all runs differ from the base alike was resolved by the trainer, chosen by nobody.
    """
    ours = {parameter.name for parameter in space.parameters} | {space.seed_key}
    keys = []
    for key in space.fixed:
        values = [run.params[key] for run in measured if run.params is not None and key in run.params]
        if key not in ours and any(not same_scalar(value, values[0]) for value in values[1:]):
            keys.append(key)
    return keys


def _differs(run: KnownRun, key: str, value: Any) -> bool:
    return run.params is not None and key in run.params and not same_scalar(run.params[key], value)


def _projected(runs: Sequence[KnownRun], space: SearchSpace) -> tuple[dict[str, Scalar], ...]:
    return tuple(params for params in (_project(run, space) for run in runs) if params is not None)


def _seeds(experiment: Experiment) -> str:
    return f", mean of {len(experiment.runs)} seeds" if len(experiment.runs) > 1 else ""


def is_measured(run: KnownRun) -> bool:
    """Tell whether the run ended with a finite value."""
    return run.state == "completed" and run.value is not None and math.isfinite(run.value)


def is_own_fault(run: KnownRun) -> bool:
    """Tell whether the run failed because of its configuration, not of its surroundings."""
    return run.state in ("failed", "needs_human") and run.cause in CONFIGURATION_FAULTS


def _value(run: KnownRun) -> float:
    return math.nan if run.value is None else run.value


def _worth_reading(history: Sequence[KnownRun], direction: Direction) -> list[KnownRun]:
    measured = [(place, run) for place, run in enumerate(history) if is_measured(run)]
    if len(measured) <= BEST_RUNS_KEPT + LATEST_RUNS_KEPT:
        return [run for _, run in measured]
    by_score = sorted(measured, key=lambda pair: -higher_is_better(_value(pair[1]), direction))
    kept = dict(by_score[:BEST_RUNS_KEPT] + measured[-LATEST_RUNS_KEPT:])
    return [kept[place] for place in sorted(kept)]


def _project(run: KnownRun, space: SearchSpace) -> dict[str, Scalar] | None:
    return None if run.params is None else space.project(run.params)


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return a configuration as a key; floats are the same when six digits agree."""
    return tuple(
        (name, f"{value:.6g}" if isinstance(value, float) else repr(value)) for name, value in sorted(params.items())
    )


def _pooled_deviation(groups: Sequence[Sequence[float]]) -> float | None:
    several = [values for values in groups if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if freedom == 0:
        return None
    squares = sum((value - fmean(values)) ** 2 for values in several for value in values)
    return math.sqrt(squares / freedom)
