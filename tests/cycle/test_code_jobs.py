"""Where a run runs, asked tick after tick: what is in use, what a new configuration means, what is gone meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import ChangedFile, ChangeKind, CodeBase, CodeChange
from llm_loop.contract.decision import Decision
from llm_loop.contract.run import Run, RunCode, RunState
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.memory.state import Plan
from llm_loop.stages.prepare import prepare
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.store import VersionStore
from tests.conftest import eventually
from tests.fakes.fake_worker import DECISION

DECIDED = Decision.from_json({**DECISION, "command": "python train.py", "run_label": "a label"})


def answered(ask: Callable[[float], Any]) -> Any:
    return eventually(lambda: ask(time.monotonic()), 30)


def plan_of(context: Context, call_id: str | None = "C0001-1a2b3c4d-worker-1") -> Plan:
    fields = {"cycle": 1, "cycle_trace_id": "C0001-1a2b3c4d"}
    context.ledger.record("cycle_opened", **fields, agent="command", woken_by=[])
    if call_id is not None:
        intent = {"call_id": call_id, "role": "worker", "step": "decide", "agent": "command", "running": []}
        context.ledger.record("call_intended", cycle_trace_id=fields["cycle_trace_id"], **intent)
    plan = context.ledger.state.plan
    assert plan is not None
    return plan


def an_edit() -> Decision:
    edit = {"path": "train.py", "new_text": "print('new')\n", "old": None, "new": None}
    return Decision.from_json({**DECISION, "command": "python train.py", "run_label": "edited", "edits": [edit]})


def test_checkouts_of_a_call_in_flight_and_of_a_job_are_in_use(context: Context) -> None:
    jobs, plan = CodeJobs(context), plan_of(context)
    assert jobs._in_use() == {plan.call_id}
    jobs.change(an_edit(), None, str(plan.call_id), time.monotonic())
    (made,) = jobs._in_use() - {plan.call_id}
    answer = answered(lambda now_s: jobs.change(an_edit(), None, str(plan.call_id), now_s))
    assert answer.change.checkout == made, "it is in use before anybody but the job knows of it"


def test_a_prune_spares_the_checkout_of_a_call_that_has_worked_for_long(context: Context) -> None:
    """Else it would be free to be taken by the next, while Codex still works in it."""
    plan = plan_of(context)
    checkouts = context.paths.checkouts
    for number in range(8):
        name = plan.call_id if number == 0 else f"C0000-other-{number}"
        (checkouts / str(name)).mkdir(parents=True)
        record = {"schema_version": 1, "folder": name, "state": "open", "base": {}, "version": "v"}
        (checkouts / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        os.utime(checkouts / f"{name}.json", (number, number))
    jobs = CodeJobs(context)
    answered(jobs.prune)
    states = {path.stem: json.loads(path.read_text(encoding="utf-8"))["state"] for path in checkouts.glob("*.json")}
    assert states[str(plan.call_id)] == "open"
    assert "free" in states.values()


def test_code_that_was_accepted_does_not_run_without_its_change(context: Context) -> None:
    jobs, plan = CodeJobs(context), plan_of(context)
    answer = answered(lambda now_s: jobs.change(an_edit(), None, str(plan.call_id), now_s))
    context.config = replace(context.config, code_isolation=CodeIsolation.IN_PLACE)  # by a person, after the gate
    placed = jobs.place({"code": answer.change.to_json()}, an_edit(), time.monotonic())
    assert placed is not None
    assert "in_place" in str(placed.refused)


def test_two_changes_of_one_cycle_are_placed_each_for_itself(context: Context) -> None:
    jobs = CodeJobs(context)
    gone = CodeChange(
        base=CodeBase(version="0" * 16, repository_version="0" * 16),
        version="0" * 16,
        checkout="C1-gone",
        files=(ChangedFile(path="train.py", kind=ChangeKind.CHANGED),),
    )
    first = answered(lambda now_s: jobs.place({"code": gone.to_json()}, DECIDED, now_s))
    assert "0000" in first.refused
    second = replace(gone, checkout="C1-other", version="1" * 16)
    placed = answered(lambda now_s: jobs.place({"code": second.to_json()}, DECIDED, now_s))
    assert "1111" in placed.refused


def a_run(context: Context) -> Run:
    """Return a run whose first attempt ran the repository as it is now."""
    version = VersionStore(context.paths.versions).take(context.config.training_repo_root, CodeRules())
    run = prepare(
        DECIDED,
        run_number=1,
        cycle=1,
        cycle_trace_id="C0001-1a2b3c4d",
        proposer="command",
        label_is_taken=lambda label: False,
        config=context.config,
        cycle_record={"proposals": [], "review": None},
    )
    return replace(run, state=RunState.QUEUED, code=RunCode(version=version.id, repository_version=version.id))


def nothing_at_once(run: Run) -> None:
    return None


def test_a_further_attempt_runs_in_place_while_the_code_is_the_same(context: Context) -> None:
    run, jobs = a_run(context), CodeJobs(context)
    placed = answered(lambda now_s: jobs.place_again(run, nothing_at_once, now_s))
    assert placed.code == run.code
    assert jobs.place_again(run, lambda run: run.code.version, time.monotonic()).code == run.code  # type: ignore[union-attr]


def test_a_further_attempt_runs_in_place_although_the_kept_versions_are_gone(context: Context) -> None:
    run, jobs = a_run(context), CodeJobs(context)
    shutil.rmtree(context.paths.versions)
    placed = answered(lambda now_s: jobs.place_again(run, nothing_at_once, now_s))
    assert (placed.refused, placed.code) == (None, run.code)


def test_changed_code_whose_version_is_gone_is_refused_with_the_reason(context: Context) -> None:
    run, jobs = a_run(context), CodeJobs(context)
    shutil.rmtree(context.paths.versions)
    (context.config.training_repo_root / "train.py").write_text("print('new')\n", encoding="utf-8")
    placed = answered(lambda now_s: jobs.place_again(run, nothing_at_once, now_s))
    assert "has changed" in placed.refused
    assert str(run.code.version) in placed.refused


def test_what_was_found_at_once_holds_until_the_run_is_placed(context: Context) -> None:
    """A repository that changes back amid the placing must not leave one foot in each place."""
    run, jobs = a_run(context), CodeJobs(context)
    looks = iter(["another", *[run.code.version] * 1000])
    jobs.place_again(run, lambda run: next(looks), time.monotonic())
    jobs.forget_unasked(time.monotonic())
    jobs.place_again(run, lambda run: next(looks), time.monotonic())
    assert next(looks) == run.code.version
    assert context.jobs.is_open("open-R0001-0")


def test_an_answer_that_does_not_read_is_a_reason_and_no_defect(context: Context) -> None:
    jobs, plan = CodeJobs(context), plan_of(context)
    jobs.change(an_edit(), None, str(plan.call_id), time.monotonic())
    job = context.jobs._open[f"edit-{plan.call_id}"]

    def damaged(now_s: float) -> Any:
        if (job.folder / "answer.json").exists():
            (job.folder / "answer.json").write_text('{"refused": null, "change": {}}', encoding="utf-8")
        return jobs.change(an_edit(), None, str(plan.call_id), now_s)

    answer = answered(damaged)
    if answer.change is None:  # the damage came before the answer was taken
        assert "does not read" in answer.why
