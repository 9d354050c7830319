"""What trains as the window opens goes on where it is over soon, by its own word or by how long the best run took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.finish_up import WishDefaults, window_from
from llm_loop.contract.run import Run
from llm_loop.cycle.finish_up.desk import FinishUpDesk
from llm_loop.cycle.finish_up.window import window_of
from tests.views.workspace_builder import WorkspaceBuilder

MINUTES = 2.0


class Slots:
    """Run slots in which one run trains, of which that much is known."""

    def __init__(self, known: dict[str, Any] | None) -> None:
        self.known, self.asked = known, list[str]()

    def request_stop(self, run: Run, reason: str) -> None:
        self.asked.append(run.run_id)

    def drop_staged(self, reason: str) -> None:
        raise AssertionError("the window is open already")

    def progress(self, now_s: float) -> dict[str, dict[str, Any]]:
        return {} if self.known is None else {"R0002": self.known}


def is_stopped(root: Path, known: dict[str, Any] | None) -> bool:
    """Tell whether a run of which that is known is ended in a window of two minutes; the best run took a second."""
    builder = WorkspaceBuilder(root)
    best = builder.stage("best")
    builder.launch(best)
    builder.end(best, 0.5)
    builder.launch(builder.stage("trains"))
    now = builder.context.clock.utc_now()
    wish = window_from(now, MINUTES, WishDefaults(minutes=MINUTES, top_k=3, now=now))
    builder.ledger.record("finish_up_activated", wish=wish.to_json())
    slots = Slots(known)
    desk = FinishUpDesk(builder.context, slots, lambda reason: False)
    desk._train(wish, window_of(wish, builder.context.clock), builder.context.clock.monotonic())
    return slots.asked == ["R0002"]


@pytest.mark.parametrize(
    ("eta_s", "age_s", "stopped"),
    [
        (5.0, 1.0, False),
        (MINUTES * 60, 1.0, True),
        (None, 0.2, False),
        (None, 1.5, True),
        (None, None, True),
    ],
)
def test_a_run_leaves_room_for_the_final_round(
    tmp_path: Path, eta_s: float | None, age_s: float | None, stopped: bool
) -> None:
    assert is_stopped(tmp_path, {"eta_s": eta_s, "age_s": age_s}) is stopped


def test_a_run_of_which_nothing_is_known_yet_is_ended(tmp_path: Path) -> None:
    assert is_stopped(tmp_path, None)
