"""A result: what a training says of itself, believed only when it is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_loop.contract.result import Direction, Result, higher_is_better
from llm_loop.errors import ContractError

LOW = Result(metric="val_log_loss", direction=Direction.MIN, value=0.25, best_val_score=-0.25)
HIGH = Result(
    metric="val_dice",
    direction=Direction.MAX,
    value=0.75,
    best_val_score=0.75,
    best_epoch=3,
    epochs_run=5,
    n=540,
    seed=1,
    budget={"epochs": 5, "max_minutes": None},
    params={"lr": 0.1, "model": "m", "aug": True, "none": None},
    stopped_early=True,
    trainer_version="0.1",
    data_hash="d",
    interval=(0.7, 0.8),
    model="m",
    run_seconds=2.5,
)


@pytest.mark.parametrize("result", [LOW, HIGH])
def test_a_result_goes_through_json_unchanged(result: Result) -> None:
    assert Result.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False))) == result


def test_higher_is_always_better_as_a_score() -> None:
    assert higher_is_better(0.25, Direction.MIN) == -0.25 and higher_is_better(0.75, Direction.MAX) == 0.75


NAN, INF, HUGE = float("nan"), float("inf"), 10**400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": NAN, "best_val_score": NAN}, "value: nan is not finite"),
        ({"value": INF, "best_val_score": -INF}, "value: inf is not finite"),
        ({"value": HUGE, "best_val_score": -HUGE}, "value: it has more digits"),
        ({"best_val_score": 0.25}, "best_val_score: disagrees"),
        ({"run_seconds": NAN}, "run_seconds: nan is not finite"),
        ({"params": {"optim.clip": INF}}, "params.optim.clip: inf is not finite"),
        ({"budget": {"epochs": -INF}}, "budget.epochs: -inf"),
        ({"interval": [NAN, 1.0]}, "interval.0: nan"),
        ({"interval": [0.5]}, "interval"),
        ({"interval": [0.5, 0.1]}, "interval: two finite numbers"),
        ({"score_source": "recomputed"}, "score_source"),
        ({"value": "0.25"}, "value"),
        ({"value": True}, "value"),
        ({"value": None}, "value"),
        ({"direction": "up"}, "direction"),
        ({"split": "holdout"}, "split"),
        ({"metrik": "x"}, "nearest known: 'metric'"),
        ({"params": {"a": [1]}}, "params.a"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_what_cannot_be_believed_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        Result.from_json(LOW.to_json() | change)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", [name for name in LOW.to_json() if name != "sealed_hash"])
def test_every_key_is_wanted(name: str) -> None:
    value = LOW.to_json()
    del value[name]
    with pytest.raises(ContractError, match=f"'{name}' is a required property"):
        Result.from_json(value)


def test_a_result_of_before_sealed_rows_had_a_hash_is_read() -> None:
    value = LOW.to_json()
    del value["sealed_hash"]
    assert Result.from_json(value) == LOW
    with pytest.raises(ContractError, match="sealed_hash"):
        Result.from_json(value | {"sealed_hash": 7})


def test_a_result_of_another_shape_is_named() -> None:
    for value in (None, [], "0.25", 0.25):
        with pytest.raises(ContractError, match=r"result\.json: value: .* is not of type object"):
            Result.from_json(value)
