"""What a run is expected to take, by what earlier ones took."""

from __future__ import annotations

from typing import Any

import pytest

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction, Result
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.peaks import LAST_OF_MODEL, LAST_RUNS, Peak, expected, model_of, peak_of


def row(**changes: Any) -> HistoryRow:
    told: dict[str, Any] = {
        "seq": 1,
        "run_id": "R0001",
        "label": "a",
        "label_decided": "a",
        "cycle": 1,
        "cycle_trace_id": "C0001-00000000",
        "state": "completed",
        "cause": None,
        "proposer": "builtin",
        "idea_category": IdeaCategory.OTHER,
        "started_utc": None,
        "ended_utc": "2026-03-01T22:00:00Z",
        "run_seconds": 1.0,
        "attempts": 1,
        "command": "python train.py",
    }
    return HistoryRow(**(told | changes))


def result(**changes: Any) -> Result:
    told: dict[str, Any] = {"metric": "m", "direction": Direction.MIN, "value": 1.0, "best_val_score": -1.0}
    return Result(**(told | changes))


def peaks(*known: tuple[str | None, int | None]) -> list[Peak]:
    return [Peak(model=model, host_bytes=value, device_bytes=value) for model, value in known]


def test_the_most_of_its_own_model_counts() -> None:
    known = peaks(("small", 3), ("big", 50), ("small", 5), ("small", 4))
    assert expected(known, "small").host_bytes == 5 and expected(known, "small").device_bytes == 5
    assert expected(known, "big").host_bytes == 50


@pytest.mark.parametrize("model", [None, "never ran"])
def test_else_the_most_of_any(model: str | None) -> None:
    assert expected(peaks(("small", 3), (None, 50), ("small", 5)), model).host_bytes == 50


def test_what_is_not_known_is_passed_over() -> None:
    assert expected([], "small") == Peak(model="small")
    assert expected(peaks(("small", None), ("big", 7)), "small").host_bytes == 7
    assert expected([Peak(model="small", host_bytes=2)], "small").device_bytes is None


def test_only_the_last_runs_count() -> None:
    assert expected(peaks(("a", 99), *[("a", 1)] * LAST_OF_MODEL), "a").host_bytes == 1
    assert expected(peaks(("a", 99), *[("b", 1)] * LAST_RUNS), None).host_bytes == 1


def test_a_row_tells_its_model_and_its_peaks() -> None:
    assert peak_of(row(peak_memory_bytes=9)) == Peak(host_bytes=9)
    decided = row(params={"model.name": "small_cnn"})
    assert peak_of(decided).model == "small_cnn"
    own = row(params={"model.name": "decided"}, result=result(params={"model": "trained"}, model="text"))
    assert peak_of(own).model == "trained"
    assert peak_of(row(result=result(model="resnet18"))).model == "resnet18"


@pytest.mark.parametrize("params", [None, {}, {"model": 3}, {"model": ""}, {"lr": 0.1}])
def test_parameters_without_a_model_name_none(params: dict[str, Any] | None) -> None:
    assert model_of(params) is None
