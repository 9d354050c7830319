"""A run may write whatever the loop reads of it, and wherever: nothing waits for ever, nothing unnamed is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import Mend, MendKind, Phase
from llm_loop.contract.run import RunState
from llm_loop.cycle.procedure.environment import EnvironmentDesk
from llm_loop.repairs.in_use import OthersChange, lock_of
from llm_loop.stages.diagnose import diagnosis_of
from llm_loop.system.instance_lock import InstanceLock, is_held
from tests.cycle.procedure.bench import MODULE, Bench
from tests.cycle.procedure.test_config_patch import CONFIG, copied, mended
from tests.cycle.procedure.test_environment_desk import missing, reasons
from tests.repairs.conftest import Training
from tests.repairs.test_install import AS_IT_WAS

SECRET = "tok3n"
posix_only = pytest.mark.skipif(os.name == "nt", reason="named pipes and devices lie in folders on POSIX alone")


def test_what_a_run_adds_to_the_requirements_is_not_installed(bench: Bench, training: Training) -> None:
    training.add("evil")
    (bench.root / "repo" / "requirements.txt").write_text("evil\n", encoding="utf-8")  # by a command, in place
    missing(bench, "evil")
    bench.until("run_ended")
    assert "mend_intended" not in bench.story() and training.versions() == AS_IT_WAS
    assert "start the loop anew" in reasons(bench)[0].what_to_do

    bench.stage("R0002", install_packages=["evil"])
    for _ in range(3):
        bench.validating.tick(bench.clock.monotonic())
    assert bench.events("run_ended")[-1]["cause"] == "packages_not_installed"

    bench.open()  # a person starts it anew
    assert bench.context.declared() == ("evil",)


@pytest.mark.parametrize(
    "kind", [pytest.param("pipe", marks=posix_only), pytest.param("device", marks=posix_only), "folder", "forged"]
)
def test_a_record_that_a_run_put_there_keeps_nobody_waiting(bench: Bench, training: Training, kind: str) -> None:
    record = bench.paths.repairs / "R0001-1" / "record.json"
    record.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(record)
    elif kind == "device":
        record.symlink_to("/dev/zero")
    elif kind == "folder":
        record.mkdir()
    else:
        record.write_text('{"state": "installed", "python": "/bin/sh", "steps": [', encoding="utf-8")
    missing(bench)
    ended = bench.until("run_ended", seconds=40)
    assert ended["state"] == "needs_human" or bench.run().state is RunState.QUEUED
    assert training.versions() == AS_IT_WAS
    assert reasons(bench), "a person looks at it"


@posix_only
def test_a_pipe_in_place_of_a_lock_keeps_nobody_waiting(bench: Bench, training: Training) -> None:
    lock = lock_of(training.python)
    os.mkfifo(lock)
    assert not is_held(lock)


def test_who_holds_the_lock_of_an_environment_for_ever_is_not_waited_for_for_ever(training: Training) -> None:
    look = OthersChange()
    with InstanceLock(lock_of(training.python), "nobody", 0.1):
        assert look.is_at_work(training.python, 10.0)
        assert look.is_at_work(training.python, 9.0 + look.LONGEST_S)
        assert not look.is_at_work(training.python, 11.0 + look.LONGEST_S)
    assert not look.is_at_work(training.python, 20.0 + look.LONGEST_S)
    with InstanceLock(lock_of(training.python), "another one", 0.1):
        assert look.is_at_work(training.python, 30.0 + look.LONGEST_S), "it is waited for anew"


def test_an_install_ends_though_another_holds_the_environment_for_ever(
    bench: Bench, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OthersChange, "LONGEST_S", 0.5)
    monkeypatch.setattr("llm_loop.cycle.procedure.environment._AGAIN_S", 0.0)
    monkeypatch.setattr("llm_loop.cycle.procedure.environment._MOST_REFUSALS", 1)
    with InstanceLock(lock_of(training.python), "nobody", 0.1):
        missing(bench)
        done = bench.until("mend_done")
        assert not done["ok"] and "another install" in done["outcome"]
        bench.until("environment_freed")
        assert not bench.context.holds and training.versions() == AS_IT_WAS


def test_the_login_of_a_source_is_in_no_journal_and_still_used(open_bench: Callable[..., Bench]) -> None:
    repo = f"https://me:{SECRET}@127.0.0.1:9/x.git"
    bench = open_bench(auto_repair_module_clone_map={MODULE: repo})
    bench.stage()
    bench.attempt_fails()
    bench.is_diagnosed()
    bench.tick()
    mend = bench.run().procedure.mends[-1].mend
    assert mend.clone is not None and SECRET not in mend.clone.repo + mend.why
    assert EnvironmentDesk(bench.context)._address(mend.clone) == repo
    assert SECRET not in bench.paths.events.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("packages", "may_build"),
    [(("needed",), True), (("zarr",), False), (("needed", "zarr"), False)],
)
def test_a_decision_builds_only_what_a_person_named(
    open_bench: Callable[..., Bench], packages: tuple[str, ...], may_build: bool
) -> None:
    """The table of known modules lets ready-made packages in alone, also when a decision asks for them by name."""
    bench = open_bench(allowed_packages=["needed"], auto_repair_allow_direct_module_install=True)
    kind = MendKind.INSTALL_PACKAGES
    asked: dict[str, Any] = {"kind": kind, "rule": kind.value, "cause": Cause.MISSING_MODULE, "why": "asked for"}
    mend = Mend(**asked, phase=Phase.VALIDATION, packages=packages)
    assert EnvironmentDesk(bench.context)._may_build(mend) is may_build


def test_the_config_that_a_decision_carries_is_not_what_another_run_put_there(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    bench.paths.repairs.mkdir(parents=True)
    (bench.paths.repairs / "R0001-x.yaml").write_text("train: {batch_size: 8, lr: 9e9}\n", encoding="utf-8")
    files = [{"name": "x.yaml", "text": CONFIG}]
    bench.stage(command='python t.py --config "{run_dir}/x.yaml"', run_files=files)
    copy = copied(mended(bench))
    assert yaml.safe_load(copy.read_text(encoding="utf-8"))["train"] == {"batch_size": 4, "lr": 0.1}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trouble", None),
        ("trouble.phase", "x"),
        ("trouble.is_mending", True),
        ("trouble.undo", ["../../elsewhere/record.json"]),
        ("installs", ["../../elsewhere/record.json"]),
        ("steps", [{"step": "x"}]),
        ("mends", 7),
    ],
)
def test_a_procedure_that_was_changed_by_hand_is_told_anew_by_the_journal(
    open_bench: Callable[..., Bench], key: str, value: Any
) -> None:
    bench = open_bench()
    bench.stage()
    bench.attempt_fails()
    bench.is_diagnosed(Cause.UNKNOWN)
    bench.context.ledger.save()
    state = json.loads(bench.paths.state.read_text(encoding="utf-8"))
    place = state["loop"]["runs"]["R0001"]["procedure"]
    for part in key.split(".")[:-1]:
        place = place[part]
    place[key.rpartition(".")[2]] = value
    bench.paths.state.write_text(json.dumps(state), encoding="utf-8")
    bench.open()
    assert bench.until("run_ended")["state"] == "needs_human"
    assert "undo_intended" not in bench.story()


def test_runs_that_fail_alike_call_a_person_once(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    for number in range(1, 5):
        run_id = f"R000{number}"
        bench.stage(run_id)
        bench.attempt_fails(run_id)
        line = f"RuntimeError: worker (pid {number}4711) of runs/{run_id}/attempt-{number} died at 0x7f{number}aab0"
        found = diagnosis_of(Cause.UNKNOWN, line, {})
        told = {"cause": "unknown", "detail": None, "diagnosis": found.to_json(), "seconds": 0.1}
        bench.record("diagnosed", run_id=run_id, phase="execution", **told)
        bench.until("run_ended", count=number)
    assert len(reasons(bench)) == 1
