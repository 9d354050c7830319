"""A value fits its annotation, all the way down, or it does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from llm_loop.memory.interventions import Intervention, Interventions
from llm_loop.views.typed_values import fits


@dataclass(frozen=True, kw_only=True)
class Inner:
    count: int = 0
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    by_name: dict[str, Inner] = field(default_factory=dict)
    pairs: tuple[tuple[int, str], ...] = ()


@pytest.mark.parametrize(
    "value",
    [
        Outer(),
        Outer(inner=Inner(count=3, share=0.5), by_name={"a": Inner()}, pairs=((1, "a"), (2, "b"))),
        Outer(inner=Inner(share=1)),
    ],
)
def test_what_fits(value: Outer) -> None:
    assert fits(value, Outer)


@pytest.mark.parametrize(
    "change",
    [
        {"inner": None},
        {"inner": {"count": 1}},
        {"inner": Inner(count="3")},  # type: ignore[arg-type]
        {"inner": Inner(count=True)},
        {"inner": Inner(count=2**70)},
        {"inner": Inner(count=0.5)},  # type: ignore[arg-type]
        {"inner": Inner(share=float("nan"))},
        {"by_name": {1: Inner()}},
        {"by_name": {"a": None}},
        {"by_name": []},
        {"pairs": [(1, "a")]},
        {"pairs": ((1,),)},
        {"pairs": ((1, 2),)},
    ],
)
def test_what_does_not(change: dict[str, Any]) -> None:
    assert not fits(Outer(**change), Outer)


def test_open_calls_for_a_person_fit() -> None:
    reason = Intervention(id="H1", phase="disk", cause="short", why="only 3 MB of disk are free")
    assert fits(Interventions(reasons=(reason,)), Interventions)
    assert not fits(Interventions(reasons=(replace(reason, why=3),)), Interventions)  # type: ignore[arg-type]
