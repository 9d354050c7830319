"""A training whose drive could not be written is launched again as it is; one that fills it each time, not for ever."""

from __future__ import annotations

import pytest

from llm_loop.contract.run import RunState
from llm_loop.cycle.run_endings import MAX_LOST_ATTEMPTS
from llm_loop.stages.launch import stderr_log
from llm_loop.system.processes import EndCause, Ending
from tests.cycle.procedure.bench import Bench
from tests.memory.campaign_events import attempt

FULL = "[Errno 28] No space left on device"


def ends(
    bench: Bench,
    said: str = "",
    drive_refused: str | None = FULL,
    cause: EndCause = EndCause.EXITED,
    code: int | None = 1,
) -> None:
    """Let the next attempt begin and break."""
    bench.record("attempt_intended", run_id="R0001", attempt=attempt(len(bench.run().attempts) + 1))
    log = stderr_log(bench.paths, bench.run().last_attempt)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(said, encoding="utf-8")
    bench.endings.conclude(bench.run(), Ending(cause=cause, exit_code=code, drive_refused=drive_refused))


@pytest.mark.parametrize("said", ["", "epoch 3/10", "OSError: [Errno 28] No space left on device: 'last.pt'"])
def test_what_a_full_disk_broke_waits_for_its_turn_again(bench: Bench, said: str) -> None:
    bench.stage()
    ends(bench, said)
    assert bench.run().state is RunState.QUEUED
    assert bench.events("run_moved")[-1]["why"] == "nothing could be written"
    assert not bench.events("diagnosed", "needs_human", "run_ended")


def test_one_that_took_no_notice_of_what_it_could_not_write_is_launched_again(bench: Bench) -> None:
    bench.stage()
    ends(bench, "saved", code=0)
    assert bench.run().state is RunState.QUEUED


def test_what_names_another_cause_is_mended(bench: Bench) -> None:
    bench.stage()
    ends(bench, "ModuleNotFoundError: No module named 'needed'")
    assert bench.events("diagnosed")[-1]["diagnosis"]["cause"] == "missing_module"


def test_without_a_word_of_the_drive_nothing_is_launched_again(bench: Bench) -> None:
    bench.stage()
    ends(bench, drive_refused=None)
    assert (bench.run().state, bench.events("diagnosed")[-1]["diagnosis"]["cause"]) == (RunState.REPAIRING, "unknown")


def test_a_keeper_that_found_no_room_waits_for_it(bench: Bench) -> None:
    bench.stage()
    ends(bench, cause=EndCause.KEEPER_ERROR, code=None)
    assert bench.run().state is RunState.QUEUED


def test_evenings_on_which_the_machine_was_switched_off_do_not_count(bench: Bench) -> None:
    bench.stage()
    for _ in range(MAX_LOST_ATTEMPTS):
        ends(bench, drive_refused=None, cause=EndCause.INTERRUPTED, code=None)
        assert bench.run().state is RunState.INTERRUPTED
        bench.record("run_moved", run_id="R0001", state="queued", why="resumed at start")
    ends(bench)
    assert bench.run().state is RunState.QUEUED


@pytest.mark.parametrize("said", ["", "epoch 3/10"])
def test_one_that_fills_its_drive_each_time_calls_a_person(bench: Bench, said: str) -> None:
    bench.stage()
    for _ in range(MAX_LOST_ATTEMPTS):
        ends(bench, said)
    bench.tick()
    assert (bench.run().state, len(bench.events("run_moved"))) == (RunState.NEEDS_HUMAN, MAX_LOST_ATTEMPTS - 1)
    (call,) = bench.events("needs_human")
    assert call["cause"] == "disk_full" and "free disk space" in call["what_to_do"]
