"""The built-in planner's final round: the best once more, with a new seed, for as long as fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from llm_loop.agents.builtin_worker import decide
from llm_loop.contract.context import AgentContext, FinishUp
from llm_loop.contract.decision import Action, Decision, IdeaCategory
from llm_loop.contract.observation import KnownRun
from tests.agents.small_campaign import SPACE, campaign, observe, proposed

WITH_BUDGET = yaml.safe_load(SPACE) | {"budget_key": "training.epochs"}


def final(history: list[KnownRun], seconds_left: float | None, **fields: Any) -> Decision:
    window = FinishUp(phase="final_training", minutes_left=10.0, training_seconds_left=seconds_left)
    fields = {"search_space": WITH_BUDGET, "context": AgentContext(finish_up=window), **fields}
    return decide(observe(history, **fields))


def timed(count: int, seconds: float = 40.0) -> list[KnownRun]:
    """Run a campaign whose runs of 40 epochs take so long each."""
    return [replace(run, run_seconds=seconds) for run in campaign(count)]


def best_of(history: list[KnownRun]) -> KnownRun:
    return min(history, key=lambda run: run.value or 0.0)


def test_it_is_the_best_with_a_seed_of_its_own_and_as_many_epochs_as_fit() -> None:
    history = timed(5)
    decision = final(history, 80.0)
    best, config = best_of(history), proposed(decision)
    assert best.params is not None
    assert config["seed"] not in {run.seed for run in history}
    assert config["training.epochs"] == 60, "three quarters of 80 s, a second each"
    kept = {key: value for key, value in config.items() if key not in ("seed", "training.epochs")}
    assert kept == {key: value for key, value in best.params.items() if key not in ("seed", "training.epochs")}
    assert decision.run_label == f"final-{best.label}"[:46] and decision.idea_category is IdeaCategory.EVALUATION
    assert best.run_id in decision.rationale and "60 epochs" in decision.rationale


@pytest.mark.parametrize("left_s, epochs", [(27.0, 20), (14.0, 10), (100_000.0, 160)])
def test_the_budget_is_shortened_to_what_fits_and_bounded_above(left_s: float, epochs: int) -> None:
    assert proposed(final(timed(3), left_s))["training.epochs"] == epochs


def test_nothing_that_would_show_nothing_is_begun() -> None:
    decision = final(timed(3), 10.0)
    assert decision.action is Action.WAIT and "of 40 epochs 7 would fit" in decision.rationale


def test_a_best_run_that_was_stopped_early_took_so_long_at_least() -> None:
    stopped = [replace(run, stopped_early=True) for run in timed(3)]
    assert proposed(final(stopped, 27.0))["training.epochs"] == 20
    assert final(stopped, 10.0).action is Action.WAIT


def test_without_a_budget_key_it_is_as_long_as_before_where_that_fits() -> None:
    space = yaml.safe_load(SPACE)
    assert proposed(final(timed(3), 60.0, search_space=space))["training.epochs"] == 40
    assert final(timed(3), 50.0, search_space=space).action is Action.WAIT


def test_a_second_round_has_another_seed_again() -> None:
    history = timed(3)
    first = proposed(final(history, 80.0))
    pending = KnownRun(
        run_id="R0009", label="final", state="running", idea_category="evaluation", cycle=9, proposer="builtin",
        seed=first["seed"], params=first,
    )  # fmt: skip
    assert proposed(final(history, 80.0, active_runs=(pending,)))["seed"] == first["seed"] + 1


def test_without_a_run_or_a_seed_there_is_none() -> None:
    assert "no run of the search space has a result" in final([], 80.0).rationale
    without = WITH_BUDGET | {"seed_key": None}
    assert "names no seed_key" in final(timed(3), 80.0, search_space=without).rationale
