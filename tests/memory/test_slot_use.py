"""The idle fraction of the slots: what counts, what is left out, and that nothing is counted twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_loop.memory.slot_use import Slot, SlotUse, apply
from tests.memory.campaign_events import campaign

STARTED = {"event": "daemon_started"}


def launch(run: str, slot: int | None = 1) -> dict[str, Any]:
    return {"event": "attempt_intended", "run_id": run, "attempt": {} if slot is None else {"slot": slot}}


def end(run: str, start: float | None, end: float | None, cause: str = "exited") -> dict[str, Any]:
    return {
        "event": "attempt_ended",
        "run_id": run,
        "started_monotonic_s": start,
        "ended_monotonic_s": end,
        "cause": cause,
    }


def attempt(run: str, start: float, stop: float, slot: int | None = 1) -> list[dict[str, Any]]:
    return [launch(run, slot), end(run, start, stop)]


def held(kind: str, at: float | None) -> dict[str, Any]:
    return {"event": kind} if at is None else {"event": kind, "monotonic_s": at}


def folded(*events: dict[str, Any]) -> SlotUse:
    """Fold the events, each time through the JSON form: a snapshot may come anywhere."""
    use = SlotUse()
    for event in events:
        use = SlotUse.from_json(json.loads(json.dumps(apply(use, event).to_json())))
    return use


def told(use: SlotUse) -> list[tuple[int, float, float, float]]:
    return [(one.slot, one.busy_s, one.span_s, one.paused_s) for one in use.figures()]


def test_a_slot_is_idle_between_an_end_and_the_next_launch() -> None:
    use = folded(STARTED, *attempt("R0001", 10, 14), *attempt("R0002", 15, 20))
    assert told(use) == [(1, 9.0, 10.0, 0.0)]
    assert use.idle_fraction() == pytest.approx(0.1)


def test_nothing_is_told_before_the_first_end() -> None:
    use = folded(STARTED, launch("R0001"))
    assert use.figures() == [] and use.idle_fraction() is None


def test_a_start_that_never_came_to_a_command_is_no_use_of_a_slot() -> None:
    use = folded(STARTED, *attempt("R0001", 0, 9), launch("R0002"), end("R0002", None, None, "start_failed"))
    assert use.lowest_free() == 1
    assert told(apply(apply(use, launch("R0003")), end("R0003", 10, 20))) == [(1, 19.0, 20.0, 0.0)]


def test_each_slot_counts_from_its_own_first_launch_to_its_own_last_end() -> None:
    use = folded(STARTED, launch("R0001", 1), launch("R0002", 2), end("R0002", 2, 6), end("R0001", 0, 10))
    use = folded_from(use, *attempt("R0003", 10, 20), *attempt("R0004", 7, 8, slot=2))
    assert told(use) == [(1, 20.0, 20.0, 0.0), (2, 5.0, 6.0, 0.0)]
    assert [one.idle_fraction for one in use.figures()] == [0.0, pytest.approx(1 / 6, abs=1e-5)]
    assert use.idle_fraction() == pytest.approx(1 / 26, abs=1e-5)


def folded_from(use: SlotUse, *events: dict[str, Any]) -> SlotUse:
    for event in events:
        use = apply(use, event)
    return use


def test_the_lowest_free_slot_is_the_next_one() -> None:
    use = folded(launch("R0001", 1), launch("R0002", 2), launch("R0003", 3))
    assert use.lowest_free() == 4
    assert folded_from(use, end("R0002", 1, 2)).lowest_free() == 2
    assert folded_from(use, {"event": "run_ended", "run_id": "R0001"}).lowest_free() == 1


def test_the_time_while_no_daemon_lived_is_nobodys_idleness() -> None:
    use = folded(STARTED, *attempt("R0001", 10, 14), STARTED, *attempt("R0002", 100, 104), *attempt("R0003", 106, 110))
    assert told(use) == [(1, 12.0, 14.0, 0.0)]


def test_after_a_machine_restart_the_clock_begins_anew() -> None:
    use = folded(STARTED, *attempt("R0001", 5000, 5004), launch("R0002"), STARTED)
    use = folded_from(use, end("R0002", 5005, 5010, "interrupted"), *attempt("R0002", 30, 40))
    assert told(use) == [(1, 19.0, 20.0, 0.0)]


def test_a_run_that_outlived_its_daemon_was_busy_all_along() -> None:
    adopted = {"event": "run_adopted", "run_id": "R0002"}
    use = folded(STARTED, *attempt("R0001", 0, 10), launch("R0002"), STARTED, adopted, end("R0002", 12, 40))
    assert told(folded_from(use, *attempt("R0003", 42, 50))) == [(1, 46.0, 50.0, 0.0)]


def test_what_followed_a_run_that_ended_without_a_daemon_is_left_out() -> None:
    use = folded(STARTED, *attempt("R0001", 0, 10), launch("R0002"), STARTED, end("R0002", 12, 20))
    assert told(folded_from(use, *attempt("R0003", 90, 100))) == [(1, 28.0, 30.0, 0.0)]


def test_a_lost_attempt_is_neither_busy_nor_idle() -> None:
    use = folded(STARTED, *attempt("R0001", 0, 10), launch("R0002"), end("R0002", None, None, "lost"))
    assert told(folded_from(use, *attempt("R0002", 70, 80))) == [(1, 20.0, 20.0, 0.0)]


PAUSED = {
    "while it was empty": ([("R0001", 0, 10), "paused 12", "resumed 22"], 10.0),
    "while it was busy at first": ([launch("R0001"), "paused 5", end("R0001", 0, 10), "resumed 22"], 12.0),
    "while it was busy": ([launch("R0001"), "paused 2", "resumed 8", end("R0001", 0, 10)], 0.0),
    "in a journal without its times": ([("R0001", 0, 10), "paused", "resumed"], 0.0),
}


@pytest.mark.parametrize(("first", "paused_s"), PAUSED.values(), ids=PAUSED)
def test_a_persons_pause_is_left_out_while_the_slot_is_empty(first: list[Any], paused_s: float) -> None:
    events = [one for entry in first for one in written(entry)]
    assert told(folded(STARTED, *events, *attempt("R0002", 30, 40))) == [(1, 20.0, 40.0 - paused_s, paused_s)]


def written(entry: Any) -> list[dict[str, Any]]:
    if isinstance(entry, tuple):
        return attempt(*entry)
    if isinstance(entry, str):
        kind, _, at = entry.partition(" ")
        return [held(kind, float(at) if at else None)]
    return [entry]


def test_a_pause_that_no_run_followed_does_not_count_yet() -> None:
    events = (*attempt("R0001", 0, 10), *attempt("R0002", 12, 20), held("paused", 25), held("resumed", 85))
    assert told(folded(STARTED, *events)) == [(1, 18.0, 20.0, 0.0)]
    again = (held("paused", 90), held("paused", 91), held("resumed", 95), *attempt("R0003", 96, 100))
    assert told(folded(STARTED, *events, *again)) == [(1, 22.0, 35.0, 65.0)]


def test_a_slot_is_never_busier_than_its_time() -> None:
    use = folded(STARTED, *attempt("R0001", 0, 10), *attempt("R0002", 4, 8), *attempt("R0003", 6, 12))
    assert told(use) == [(1, 12.0, 12.0, 0.0)] and use.idle_fraction() == 0.0


def test_a_journal_of_before_slots_had_numbers() -> None:
    use = folded(*[event for event in campaign() if "attempt" in event or event["event"] == "daemon_started"])
    assert told(use) == [(1, 6.0, 6.0, 0.0)]
    both = folded(launch("R0001", None), launch("R0002", None), end("R0002", 1, 2), end("R0001", 0, 4))
    assert told(both) == [(1, 4.0, 4.0, 0.0), (2, 1.0, 1.0, 0.0)]


def test_a_snapshot_of_before_slots_were_told_apart() -> None:
    value = {"slots": 2, "busy_s": 6.0, "span_s": 1.0, "first_s": 10.0, "last_s": 13.0}
    use = SlotUse.from_json(value)
    assert told(use) == [(1, 3.0, 4.0, 0.0), (2, 3.0, 4.0, 0.0)] and use.idle_fraction() == pytest.approx(0.25)
    ended = apply(use, end("R0007", 12.0, 15.0))
    assert ended.slots[0] == Slot(busy_s=5.0, span_s=1.0, first_s=10.0, last_s=15.0), "it was launched before"


def slots_changed(count: int) -> dict[str, Any]:
    return {"event": "config_changed", "keys": ["max_parallel_runs"], "slots": count}


TWO = {"event": "daemon_started", "slots": 2}


def test_a_slot_that_the_configuration_took_away_is_not_idle() -> None:
    both = [launch("R1", 1), launch("R2", 2)]
    use = folded(TWO, *both, slots_changed(1), end("R1", 0, 10), end("R2", 0, 110), *attempt("R3", 110, 120))
    assert use.idle_fraction() == 0.0
    use = folded(TWO, *both, end("R1", 0, 10), end("R2", 0, 10), slots_changed(1), *attempt("R3", 10, 110))
    use = folded_from(use, slots_changed(2), launch("R4", 1), launch("R5", 2), end("R4", 110, 120), end("R5", 110, 120))
    assert use.idle_fraction() == 0.0


def test_an_empty_slot_that_is_there_is_idle_whatever_else_changed() -> None:
    both = [launch("R1", 1), launch("R2", 2)]
    use = folded(TWO, *both, end("R1", 0, 10), slots_changed(2), end("R2", 0, 20), *attempt("R3", 20, 30))
    assert told(use) == [(1, 20.0, 30.0, 0.0), (2, 20.0, 20.0, 0.0)]


# ---------------------------------------------------------------- installs

HELD, FREED = "environment_held", "environment_freed"


@pytest.mark.parametrize(
    ("story", "paused_s", "install_s"),
    [
        ([held(HELD, 12), held(FREED, 20)], 8.0, 8.0),
        ([held(HELD, 4), held(FREED, 20)], 10.0, 16.0),  # asked for while the slot still trained
        ([held(HELD, 12), held("paused", 15), held(FREED, 20), held("resumed", 25)], 13.0, 8.0),
        ([held("paused", 12), held(HELD, 15), held("resumed", 20), held(FREED, 25)], 13.0, 10.0),
        ([held(HELD, 12), held(FREED, 15), held(HELD, 16), held(FREED, 20)], 7.0, 7.0),
        ([held(FREED, 20)], 0.0, 0.0),
        ([held(HELD, None), held(FREED, 20)], 0.0, 0.0),
    ],
)
def test_an_install_is_no_idle_time(story: list[dict[str, Any]], paused_s: float, install_s: float) -> None:
    use = folded(STARTED, *attempt("R0001", 0, 10), *story, *attempt("R0002", 30, 40))
    assert told(use) == [(1, 20.0, 40.0 - paused_s, paused_s)]
    assert (use.install_s, use.held_by, use.held_since_s) == (install_s, (), None)


def test_the_slot_that_trains_on_is_not_held_by_an_install_that_waits_for_it() -> None:
    story = [launch("R0001", 1), *attempt("R0002", 0, 10, 2), held(HELD, 12), end("R0001", 0, 50), held(FREED, 60)]
    use = folded(STARTED, *story, *attempt("R0003", 60, 70, 1), *attempt("R0004", 61, 70, 2))
    assert told(use) == [(1, 60.0, 60.0, 10.0), (2, 19.0, 22.0, 48.0)]


def test_an_install_that_a_dead_daemon_began_holds_nothing_any_more() -> None:
    use = folded(STARTED, *attempt("R0001", 0, 10), held(HELD, 12), STARTED, *attempt("R0002", 5, 9))
    assert told(use) == [(1, 14.0, 14.0, 0.0)] and use.held_by == ()
