"""Whether a run that was run once more came out the same."""

from __future__ import annotations

from typing import Any

import pytest

from llm_loop.views.reproductions import CameOut, reproduction, reproduction_line
from llm_loop.views.run_story import RunStory


def a_story(run_id: str, value: float | None, *, state: str = "completed", **fields: Any) -> RunStory:
    result = {"metric": "val_dice", "value": value, "interval": [0.70, 0.80], "data_hash": "d", "seed": 3} | fields
    ended = None if state == "open" else {"state": state, "result": None if value is None else result}
    return RunStory(
        run_id=run_id,
        label="label",
        state=state,
        decision={},
        proposer="person",
        cycle=1,
        cycle_trace_id="C0001-0a1b2c3d",
        proposals=(),
        review=None,
        code={"version": "v1"},
        attempts=(),
        ended=ended,
        detail=None,
        folder="/somewhere",
    )


@pytest.mark.parametrize(
    "value, came_out",
    [(0.75, CameOut.EQUAL), (0.71, CameOut.INSIDE), (0.81, CameOut.OUTSIDE), (None, CameOut.NO_RESULT)],
)
def test_it_is_judged_by_the_interval_of_the_first(value: float | None, came_out: CameOut) -> None:
    state = "failed" if value is None else "completed"
    found = reproduction(a_story("R0001", 0.75), a_story("R0002", value, state=state))
    assert (found.came_out, found.of, found.differs) == (came_out, "R0001", ())
    assert ("OUTSIDE" in reproduction_line(found)) == (came_out is CameOut.OUTSIDE)


def test_without_an_interval_nothing_but_equal_is_claimed() -> None:
    first = a_story("R0001", 0.75, interval=None)
    assert reproduction(first, a_story("R0002", 0.75)).came_out is CameOut.EQUAL
    found = reproduction(first, a_story("R0002", 0.7501))
    assert found.came_out is CameOut.NO_INTERVAL and "told no interval to judge by" in reproduction_line(found)


def test_what_was_not_as_before_is_named() -> None:
    found = reproduction(a_story("R0001", 0.75), a_story("R0002", 0.75, data_hash="other", seed=4))
    assert found.differs == ("data", "seed")
    assert reproduction_line(found).endswith("; not as before: data, seed.")


def test_one_that_trains_has_not_come_out() -> None:
    found = reproduction(a_story("R0001", 0.75), a_story("R0002", None, state="open"))
    assert found.came_out is CameOut.OPEN and reproduction_line(found).endswith("open, has not ended yet.")
