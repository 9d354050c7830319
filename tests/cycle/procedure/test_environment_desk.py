"""Packages are installed for a run, verified, and taken back where that came to nothing: with real pip."""

from __future__ import annotations

import json
import os
import shutil
from itertools import takewhile
from pathlib import Path

import psutil
import pytest

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.run import RunState
from llm_loop.memory.interventions import Intervention
from llm_loop.repairs.in_use import lock_of
from llm_loop.stages.record import Outcome
from llm_loop.system.instance_lock import InstanceLock
from tests.conftest import eventually
from tests.cycle.procedure.bench import MODULE, Bench
from tests.repairs.conftest import Training, site_packages
from tests.repairs.test_install import AS_IT_WAS, hanging_pip

WITH_IT = AS_IT_WAS | {MODULE: "1.0"}
INSTALLED = ["diagnosed", "mend_intended", "environment_held", "mend_done", "environment_freed"]
posix_only = pytest.mark.skipif(os.name == "nt", reason="there, a killed keeper takes its job along")


def half_install(bench: Bench, training: Training) -> Path:
    """Let a run fail for want of a package whose install hangs half done; return the mark of its process."""
    mark = hanging_pip(training, when="--requirement")
    training.add("einops")
    bench.set_config(auto_repair_module_package_map={"einops": ["einops"]})
    missing(bench, "einops")
    eventually(lambda: (bench.tick(), mark.exists() and mark.read_text(encoding="utf-8"))[1], 60)
    return mark


def missing(bench: Bench, module: str = MODULE) -> None:
    """Let a run fail for want of a module."""
    bench.stage()
    bench.attempt_fails()
    bench.is_diagnosed(module=module)


def reasons(bench: Bench) -> tuple[Intervention, ...]:
    return bench.context.ledger.state.interventions.reasons


def kill_keeper_and_pip(training: Training, mark: Path) -> None:
    """Kill everything that works on an install, as the system does when the memory is short."""
    pip = psutil.Process(int(mark.read_text(encoding="utf-8")))
    family = [pip, *takewhile(lambda one: one.pid != os.getpid(), pip.parents())]
    for process in reversed(family):  # the keeper first: it ends nobody any more
        process.kill()
    psutil.wait_procs(family, timeout=20)
    for name in ("pip", "pip-30.0.dist-info"):  # the next one does what it is told
        shutil.rmtree(site_packages(training) / name)


def test_what_is_missing_is_installed_and_the_run_is_next(bench: Bench, training: Training) -> None:
    missing(bench)
    done = bench.until("mend_done")
    assert done["ok"] and done["outcome"] == "installed needed 1.0"
    assert done["record"] == ".llm_loop/repairs/R0001-1/record.json", "a workspace may be moved"
    bench.until("environment_freed")
    assert bench.story() == INSTALLED and training.versions() == WITH_IT
    run = bench.run()
    assert (run.state, run.procedure.installs) == (RunState.QUEUED, (done["record"],))
    assert not bench.context.holds
    assert done["account"]["pip"]["packages"] == ["needed==1.0"]


def test_an_install_waits_for_what_trains_and_holds_launches(bench: Bench, training: Training) -> None:
    bench.let_run("R0002")
    missing(bench)
    bench.until("environment_held")
    for _ in range(10):
        bench.tick()
    assert "install" in bench.context.holds and not bench.paths.repairs.exists()
    assert not [name for name in bench.started_jobs() if name.startswith("R0001")]
    bench.end_run("R0002")
    bench.until("environment_freed")
    assert training.versions() == WITH_IT and not bench.context.holds


@pytest.mark.slow
def test_an_install_waits_for_a_validation_that_looks_at_the_environment(bench: Bench, training: Training) -> None:
    bench.looked_at = True
    missing(bench)
    bench.until("environment_held")
    for _ in range(10):
        bench.tick()
    assert not bench.paths.repairs.exists()
    bench.looked_at = False
    assert bench.until("mend_done")["ok"]


@pytest.mark.slow
def test_the_time_of_an_install_is_no_idle_time(bench: Bench, training: Training) -> None:
    bench.context.clock.monotonic()
    missing(bench)
    begin = bench.until("environment_held")["monotonic_s"]
    end = bench.until("environment_freed")["monotonic_s"]
    use = bench.context.ledger.state.slot_use
    assert use.install_s == pytest.approx(end - begin, abs=0.01) and use.install_s > 0
    assert use.held_by == () and use.held_since_s is None


def test_an_install_in_vain_is_taken_back_before_a_person_is_called(bench: Bench, training: Training) -> None:
    missing(bench)
    bench.until("mend_done")
    bench.attempt_fails()
    bench.is_diagnosed()
    ended = bench.until("run_ended")
    assert (ended["state"], ended["cause"]) == ("needs_human", "missing_module")
    assert training.versions() == AS_IT_WAS and bench.records() == {"R0001-1": "undone"}
    story = [kind for kind in bench.story() if not kind.startswith("environment")]
    tail = ["undo_intended", "undo_done", "needs_human", "run_ended"]
    assert story == ["diagnosed", "mend_intended", "mend_done", "diagnosed", *tail]
    (reason,) = reasons(bench)
    assert reason.attempted is not None and "installed needed 1.0" in reason.attempted


@pytest.mark.slow
def test_everything_is_taken_back_where_the_run_fails_in_the_end(bench: Bench, training: Training) -> None:
    """The latest install first; what failed in the end had nothing to do with either."""
    training.add("broken")
    missing(bench)
    bench.until("mend_done")
    bench.attempt_fails()
    bench.is_diagnosed(module="broken")
    bench.until("mend_done", count=2)
    assert training.versions() == WITH_IT | {"broken": "1.0"}, "the first install was not in vain"
    bench.attempt_fails()
    bench.is_diagnosed(Cause.DATA)
    assert bench.until("run_ended")["cause"] == "data"
    assert training.versions() == AS_IT_WAS
    undone = [event["record"].split("/")[2] for event in bench.events("undo_done")]
    assert undone == ["R0001-2", "R0001-1"]


@pytest.mark.slow
def test_a_package_that_does_not_exist_changes_nothing(bench: Bench, training: Training) -> None:
    missing(bench, "absent")
    done = bench.until("mend_done")
    assert (done["ok"], done["record"]) == (False, None) and "absent" in done["outcome"]
    assert bench.until("run_ended")["state"] == "needs_human"
    assert training.versions() == AS_IT_WAS and len(reasons(bench)) == 1


@pytest.mark.slow
def test_a_package_without_the_module_is_taken_back_at_once(bench: Bench, training: Training) -> None:
    training.add("broken", files={"other.py": ""})
    missing(bench, "broken")
    done = bench.until("mend_done")
    assert not done["ok"] and "does not import" in done["outcome"]
    bench.until("run_ended")
    assert training.versions() == AS_IT_WAS


# ---------------------------------------------------------------- deaths


@posix_only
def test_a_half_made_install_of_a_dead_daemon_is_undone_and_made_anew(bench: Bench, training: Training) -> None:
    mark = half_install(bench, training)
    kill_keeper_and_pip(training, mark)
    assert bench.records() == {"R0001-1": "installing"} and training.can_import("einops")
    bench.open()
    done = bench.until("mend_done")
    assert done["ok"] and bench.story().count("mend_intended") == 1
    assert training.versions() == AS_IT_WAS | {"einops": "1.0"} and bench.records() == {"R0001-1": "installed"}
    left = bench.paths.repairs / "R0001-1" / "record.leftovers"
    assert [file.name for file in left.rglob("*.py")] == ["einops.py"], "the half of it was moved away first"


@posix_only
@pytest.mark.slow
def test_a_job_that_the_system_killed_is_done_anew_once(bench: Bench, training: Training) -> None:
    mark = half_install(bench, training)
    kill_keeper_and_pip(training, mark)
    assert bench.until("mend_done")["ok"]
    assert training.versions() == AS_IT_WAS | {"einops": "1.0"}


@pytest.mark.slow
def test_an_install_whose_answer_nobody_took_is_made_anew(bench: Bench, training: Training) -> None:
    missing(bench)
    eventually(lambda: (bench.records() or bench.tick(), bench.records().get("R0001-1") == "installed")[1], 60)
    assert not bench.events("mend_done")
    bench.open()
    assert bench.until("mend_done")["ok"]
    assert training.versions() == WITH_IT and len(bench.events("mend_done")) == 1


@pytest.mark.slow
def test_a_daemon_that_dies_after_every_event_comes_to_the_same_end(bench: Bench, training: Training) -> None:
    """Nothing is done twice, nobody is called twice."""
    missing(bench)

    def told() -> list[str]:
        return [kind for kind in bench.story() if not kind.startswith("environment")]  # each start holds it anew

    def live_for_one_event() -> None:
        count = len(told())
        eventually(lambda: (bench.tick(), len(told()) > count)[1], 60)
        bench.open()

    while not bench.events("mend_done"):
        live_for_one_event()
    bench.attempt_fails()
    bench.is_diagnosed()
    while not bench.events("run_ended"):
        live_for_one_event()
    tail = ["undo_intended", "undo_done", "needs_human", "run_ended"]
    assert told() == ["diagnosed", "mend_intended", "mend_done", "diagnosed", *tail]
    assert training.versions() == AS_IT_WAS and bench.records() == {"R0001-1": "undone"}


@pytest.mark.slow
def test_an_undo_that_failed_is_not_taken_for_a_clean_environment(bench: Bench, training: Training) -> None:
    """A record that says so, found by a new daemon, is looked at again and no new one is written over it."""
    missing(bench)
    eventually(lambda: (bench.records() or bench.tick(), bench.records().get("R0001-1") == "installed")[1], 60)
    path = bench.paths.repairs / "R0001-1" / "record.json"
    record = json.loads(path.read_text(encoding="utf-8")) | {"state": "undo_failed"}
    eventually(bench.has_no_child)
    path.write_text(json.dumps(record), encoding="utf-8")
    bench.open()
    assert bench.until("mend_done")["ok"]
    before = json.loads(path.read_text(encoding="utf-8"))["before"]
    assert MODULE not in before, "the way back leads to where it began"


@pytest.mark.slow
def test_an_environment_that_cannot_be_brought_back_calls_a_person_once(bench: Bench, training: Training) -> None:
    missing(bench)
    bench.until("mend_done")
    path = bench.paths.repairs / "R0001-1" / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"prefix": str(training.root / "elsewhere")}), encoding="utf-8")
    bench.attempt_fails()
    bench.is_diagnosed()
    bench.until("run_ended")
    (undo, own) = reasons(bench)
    assert (undo.phase, undo.subject, own.phase) == ("undo", ".llm_loop/repairs/R0001-1/record.json", "execution")
    assert undo.failure is not None and "another environment" in undo.failure
    assert bench.run().procedure.installs == ()


# ---------------------------------------------------------------- others


@pytest.mark.slow
def test_an_install_of_another_workspace_is_waited_for(bench: Bench, training: Training) -> None:
    missing(bench)
    with InstanceLock(lock_of(training.python), "another install", 0.0):
        bench.until("environment_held")
        for _ in range(5):
            bench.tick()
        assert not bench.paths.repairs.exists()
    assert bench.until("mend_done")["ok"]


@pytest.mark.slow
def test_two_runs_take_turns(bench: Bench, training: Training) -> None:
    training.add("broken")
    missing(bench)
    bench.stage("R0002")
    bench.attempt_fails("R0002")
    bench.is_diagnosed(run_id="R0002", module="broken")
    seen: list[list[str]] = []
    eventually(lambda: (bench.tick(), seen.append(bench.started_jobs()), len(bench.events("mend_done")) == 2)[2], 60)
    assert max(map(len, seen)) == 1, "one change at a time"
    assert training.versions() == WITH_IT | {"broken": "1.0"}
    bench.until("environment_freed")
    assert len(bench.events("environment_held")) == 1


# ---------------------------------------------------------------- a person cancels


def cancel(bench: Bench, run_id: str = "R0001") -> None:
    answered = {"id": "1", "request": "cancel", "accepted": True, "why": [], "run_ids": [run_id]}
    bench.record("request_answered", **answered, stop_reason="cancelled by a person", withdrawn=None)


@pytest.mark.slow
def test_a_cancelled_run_whose_install_waits_is_over_at_once(bench: Bench, training: Training) -> None:
    bench.let_run("R0002")
    missing(bench)
    bench.until("environment_held")
    cancel(bench)
    ended = bench.until("run_ended", seconds=5)
    assert (ended["state"], ended["cause"]) == ("cancelled", "cancelled by a person")
    bench.until("environment_freed")
    assert not bench.paths.repairs.exists() and training.versions() == AS_IT_WAS and not reasons(bench)


@pytest.mark.slow
def test_an_install_under_way_comes_to_its_end_though_its_run_is_cancelled(bench: Bench, training: Training) -> None:
    """Nothing is left half done; what is whole stays, and the journal knows how to take it back."""
    missing(bench)
    eventually(lambda: (bench.tick(), bench.started_jobs())[1])
    cancel(bench)
    assert bench.until("mend_done")["ok"]
    assert bench.run().state is RunState.QUEUED, "where the slots end what was cancelled"
    assert training.versions() == WITH_IT and bench.run().procedure.installs
    assert bench.started_jobs() == []


@posix_only
@pytest.mark.slow
def test_a_half_made_install_of_a_cancelled_run_is_taken_back(bench: Bench, training: Training) -> None:
    mark = half_install(bench, training)
    cancel(bench)
    kill_keeper_and_pip(training, mark)
    bench.open()
    assert bench.until("run_ended")["state"] == "cancelled"
    assert training.versions() == AS_IT_WAS


@pytest.mark.slow
def test_what_was_in_vain_is_taken_back_for_a_cancelled_run_too(bench: Bench, training: Training) -> None:
    missing(bench)
    bench.until("mend_done")
    bench.attempt_fails()
    bench.is_diagnosed()
    cancel(bench)
    assert bench.until("run_ended")["state"] == "cancelled"
    assert training.versions() == AS_IT_WAS and not reasons(bench)


# ---------------------------------------------------------------- the end of the loop


@pytest.mark.slow
def test_at_the_end_of_the_loop_a_mend_waits_for_the_next_start(bench: Bench, training: Training) -> None:
    missing(bench)
    for _ in range(5):
        bench.tick(may_mend=False)
    assert bench.run().state is RunState.REPAIRING and bench.story() == ["diagnosed"]
    bench.open()
    assert bench.until("mend_done")["ok"]


@pytest.mark.slow
def test_an_install_amid_the_end_of_the_loop_goes_on_at_the_next_start(bench: Bench, training: Training) -> None:
    missing(bench)
    eventually(lambda: (bench.tick(), bench.started_jobs())[1])
    bench.tick(may_mend=False)
    assert "install" not in bench.context.holds
    bench.context.jobs.end_all()
    bench.open()
    assert bench.until("mend_done")["ok"]
    assert training.versions() == WITH_IT


# ---------------------------------------------------------------- packages that a decision asks for


def wants(bench: Bench, *packages: str) -> None:
    """Let the validation of a run begin with the packages of its decision."""
    bench.stage(install_packages=list(packages))
    bench.validating.tick(bench.clock.monotonic())


def test_packages_of_a_decision_are_installed_before_it_is_validated(bench: Bench, training: Training) -> None:
    wants(bench, MODULE)
    done = bench.until("mend_done")
    assert done["ok"] and training.versions() == WITH_IT
    assert (bench.run().state, bench.run().procedure.is_checked) == (RunState.STAGED, False)
    bench.validating.tick(bench.clock.monotonic())
    assert len(bench.events("mend_intended")) == 1, "once is enough"


@pytest.mark.slow
def test_packages_of_a_decision_are_no_repair_that_a_key_turns_off(bench: Bench, training: Training) -> None:
    bench.set_config(auto_repair_retry_on_success=False, auto_repair_enabled=False)
    wants(bench, MODULE)
    bench.until("mend_done")
    assert bench.run().state is RunState.STAGED
    bench.attempt_fails()
    bench.is_diagnosed(Cause.DATA)
    assert bench.until("run_ended")["state"] == "failed"
    assert training.versions() == AS_IT_WAS, "and they go with the run that failed"


@pytest.mark.slow
def test_packages_that_cannot_be_installed_end_the_run(bench: Bench, training: Training) -> None:
    wants(bench, "absent")
    ended = bench.until("run_ended")
    assert (ended["state"], ended["cause"]) == ("failed", "packages_not_installed") and "absent" in ended["detail"]
    assert ended["row"]["failure"]["is_of_idea"] is False and not reasons(bench)


@pytest.mark.slow
def test_packages_that_are_allowed_no_more_end_the_run(bench: Bench, training: Training) -> None:
    bench.set_config(auto_repair_module_package_map={MODULE: ["absent"]})
    wants(bench, MODULE)
    (ended,) = bench.events("run_ended")
    assert (ended["cause"], training.versions()) == ("packages_not_installed", AS_IT_WAS)


@pytest.mark.slow
def test_installs_of_a_run_whose_code_has_changed_are_taken_back(bench: Bench, training: Training) -> None:
    """However a run fails."""
    wants(bench, MODULE)
    bench.until("mend_done")
    bench.endings.end(bench.run(), Outcome(state=RunState.FAILED, cause="code_changed", detail="train.py was edited"))
    ended = bench.until("run_ended")
    assert (ended["state"], ended["cause"], ended["detail"]) == ("failed", "code_changed", "train.py was edited")
    assert training.versions() == AS_IT_WAS


@pytest.mark.slow
def test_repair_tries_again_or_not(bench: Bench, training: Training) -> None:
    bench.set_config(auto_repair_retry_on_success=False)
    missing(bench)
    ended = bench.until("run_ended")
    assert (ended["state"], ended["cause"]) == ("failed", "missing_module")
    assert training.versions() == WITH_IT, "the next run has it"
