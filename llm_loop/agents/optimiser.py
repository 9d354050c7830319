"""The model of past runs: Optuna's TPE sampler, rebuilt from history on every call.

The only module that imports Optuna; no daemon imports it. Nothing is stored between calls, so a
restart loses nothing and the same history gives the same answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from llm_loop.agents.parameter import Parameter, ParameterType, Scalar
from llm_loop.agents.search_space import SearchSpace


class Outcome(StrEnum):
    """What became of a trial."""

    MEASURED = "measured"
    FAULTY = "faulty"
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Hold one configuration that was tried: ``value`` is given for measured ones only."""

    params: Mapping[str, Scalar]
    outcome: Outcome
    value: float | None = None


def propose(space: SearchSpace, trials: Sequence[Trial], direction: str, seed: int) -> dict[str, Scalar]:
    """Return the configuration that the model expects to improve most.

    ``direction`` is ``min`` or ``max``. A faulty trial (it diverged, say) enters as a pruned one
    without a value: TPE ranks it below every measured trial, whereas it would not look at a failed
    one at all. Pending trials enter as running ones and keep proposals apart (constant liar).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # `group` (conditional parameters) is marked experimental; it is what we mean to use
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=1, seed=seed % 2**32
        )
        study = optuna.create_study(sampler=sampler, direction="maximize" if direction == "max" else "minimize")
        distributions = {parameter.name: _distribution(parameter) for parameter in space.parameters}
        study.add_trials([_frozen(trial, distributions) for trial in trials])
        return _ask(study, space)


_STATES = {
    Outcome.MEASURED: TrialState.COMPLETE,
    Outcome.FAULTY: TrialState.PRUNED,
    Outcome.PENDING: TrialState.RUNNING,
}


def _frozen(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        state=_STATES[trial.outcome],
        params=dict(trial.params),
        distributions={name: distributions[name] for name in trial.params},
        value=trial.value if trial.outcome is Outcome.MEASURED else None,
    )


def _ask(study: optuna.Study, space: SearchSpace) -> dict[str, Scalar]:
    trial = study.ask()
    chosen: dict[str, Scalar] = {}
    for parameter in space.parameters:
        if space.counts(parameter, chosen):
            chosen[parameter.name] = parameter.rounded(_suggest(trial, parameter))
    return chosen


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.type is ParameterType.CATEGORICAL:
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if parameter.type is ParameterType.INT:
        return trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high), log=parameter.log)
    return trial.suggest_float(parameter.name, float(parameter.low), float(parameter.high), log=parameter.log)


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.type is ParameterType.CATEGORICAL:
        return CategoricalDistribution(parameter.choices)
    if parameter.type is ParameterType.INT:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(float(parameter.low), float(parameter.high), log=parameter.log)
