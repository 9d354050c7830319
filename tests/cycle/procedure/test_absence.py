"""A run that breaks with a folder that trainings need waits for its turn again; nothing is held against it."""

from __future__ import annotations

import time

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.run import RunState
from tests.cycle.procedure.bench import Bench


def test_a_check_that_finds_the_repository_away_is_made_again(bench: Bench) -> None:
    look(bench)
    bench.stage()
    (bench.root / "repo").rename(bench.root / "aside")
    bench.is_diagnosed(Cause.PROGRAM_MISSING)
    bench.tick()
    run = bench.run()
    assert (run.state, run.procedure.trouble, run.procedure.is_checked) == (RunState.STAGED, None, False)
    assert bench.events("run_moved")[-1]["why"] == "training_repo_root was away"
    (bench.root / "aside").rename(bench.root / "repo")
    bench.is_diagnosed(Cause.PROGRAM_MISSING)
    bench.tick()
    assert bench.run().state is RunState.NEEDS_HUMAN


def test_an_attempt_that_broke_with_the_repository_is_followed_by_another(bench: Bench) -> None:
    look(bench)
    bench.stage()
    bench.attempt_fails()
    (bench.root / "repo").rename(bench.root / "aside")
    bench.is_diagnosed(Cause.UNKNOWN)
    bench.tick()
    assert bench.run().state is RunState.QUEUED
    assert not bench.events("needs_human", "run_ended")


def test_an_idea_that_failed_is_no_matter_of_a_folder(bench: Bench) -> None:
    look(bench)
    bench.stage()
    bench.attempt_fails()
    (bench.root / "repo").rename(bench.root / "aside")
    bench.is_diagnosed(Cause.DEADLINE)
    bench.tick()
    assert bench.run().state is RunState.FAILED


def test_a_folder_on_another_drive_is_looked_at_after_the_failure_before_anything_is_decided(bench: Bench) -> None:
    places, repository = bench.context.places, bench.root / "repo"
    places._near_seen[repository] = False
    look(bench)
    repository.rename(bench.root / "aside")
    bench.stage()
    bench.is_diagnosed(Cause.PROGRAM_MISSING)
    bench.tick()
    assert bench.run().state is RunState.REPAIRING
    look(bench)
    bench.tick()
    assert bench.run().state is RunState.STAGED


def look(bench: Bench) -> None:
    """Tick the watch : once, and then until a look at another drive is answered that began now."""
    places, began_s = bench.context.places, bench.clock.monotonic()
    give_up = time.monotonic() + 30
    places.tick(began_s)
    while places.away_since(began_s) is None:
        assert time.monotonic() < give_up
        places.tick(bench.clock.monotonic())
        time.sleep(0.02)
