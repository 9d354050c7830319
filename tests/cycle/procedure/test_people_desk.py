"""Where nothing can run, nothing starts: but for one run now and then, for what was broken may have come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.run import RunState
from llm_loop.cycle.procedure.people import PROBE_S
from llm_loop.stages.record import Outcome
from tests.conftest import TestClock
from tests.cycle.procedure.bench import Bench

HOLD = "needs_human"


@pytest.fixture
def bench(tmp_path: Path, clock: TestClock) -> Iterator[Bench]:
    made = Bench(tmp_path / "w", clock)
    yield made
    made.close()


def driver_breaks(bench: Bench, run_id: str) -> None:
    bench.stage(run_id)
    bench.attempt_fails(run_id)
    bench.is_diagnosed(Cause.DRIVER_MISMATCH, run_id)
    bench.tick()
    assert bench.run(run_id).state is RunState.NEEDS_HUMAN
    bench.tick()


def test_a_broken_driver_holds_everything_and_is_told_once(bench: Bench) -> None:
    driver_breaks(bench, "R0001")
    assert "llm-loop resolve H" in bench.context.holds[HOLD]
    driver_breaks(bench, "R0002")
    assert len(bench.events("needs_human")) == 1


def test_one_run_tries_now_and_then(bench: Bench, clock: TestClock) -> None:
    driver_breaks(bench, "R0001")
    clock.advance(PROBE_S)
    bench.tick()
    assert HOLD not in bench.context.holds
    bench.let_run("R0002")
    bench.tick()
    assert HOLD in bench.context.holds, "one, not all that wait"


@pytest.mark.parametrize("phase", ["validation", "execution"])
def test_one_that_tried_in_vain_holds_the_others_for_as_long(bench: Bench, clock: TestClock, phase: str) -> None:
    """Also one that never began: else each that is staged would be validated, and paid for, in vain."""
    driver_breaks(bench, "R0001")
    clock.advance(PROBE_S)
    bench.tick()
    bench.stage("R0002")
    if phase == "execution":
        bench.attempt_fails("R0002")
    bench.is_diagnosed(Cause.DRIVER_MISMATCH, "R0002")
    bench.tick()
    bench.tick()
    assert HOLD in bench.context.holds
    clock.advance(PROBE_S - 1)
    bench.tick()
    assert HOLD in bench.context.holds


def test_one_that_completes_closes_the_reason(bench: Bench, clock: TestClock) -> None:
    driver_breaks(bench, "R0001")
    bench.let_run("R0002")
    bench.end_run("R0002")
    bench.tick()
    assert HOLD not in bench.context.holds and not bench.context.ledger.state.interventions.reasons


def test_a_reason_that_cannot_be_found_by_its_texts_holds_up_no_tick(bench: Bench) -> None:
    """A journal of another version may have longer ones; the loop goes on, and a person closes it."""
    why = "x" * 400
    bench.record("needs_human", phase="execution", why=why, is_global=True, what_to_do="")
    bench.let_run("R0002")
    bench.end_run("R0002")
    bench.tick()
    assert len(bench.context.ledger.state.interventions.reasons) == 1


def test_nothing_is_validated_while_nothing_can_run(bench: Bench) -> None:
    def validations() -> list[str]:
        return [name for name in bench.started_jobs() if name.startswith("validate")]

    driver_breaks(bench, "R0001")
    bench.stage("R0002")
    for _ in range(3):
        bench.validating.tick(bench.clock.monotonic())
    assert not validations()
    bench.context.holds.clear()
    bench.validating.tick(bench.clock.monotonic())
    assert validations() == ["validate-R0002-1"]


def test_a_restart_holds_on(bench: Bench) -> None:
    driver_breaks(bench, "R0001")
    bench.open()
    bench.tick()
    assert HOLD in bench.context.holds


def test_with_repair_off_a_failure_is_told_apart_all_the_same(bench: Bench) -> None:
    bench.set_config(auto_repair_enabled=False)
    bench.stage()
    bench.attempt_fails()
    bench.is_diagnosed(Cause.DRIVER_MISMATCH)
    bench.tick()
    (ended,) = bench.events("run_ended")
    assert ended["state"] == "failed" and not bench.events("needs_human")
    assert ended["row"]["failure"] is not None


def test_the_end_of_a_run_is_final(bench: Bench) -> None:
    bench.stage()
    bench.endings.end(bench.run(), Outcome(state=RunState.CANCELLED, cause="told"))
    for _ in range(3):
        bench.tick()
    assert len(bench.events("run_ended")) == 1
