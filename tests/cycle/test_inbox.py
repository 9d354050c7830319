"""The inbox with a real ledger, gate and jobs: each request is answered once, whatever lies beside it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.config import ApprovalRule, load_config
from llm_loop.contract.decision import Decision
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import Request, RequestKind, filled
from llm_loop.contract.run import Approval, RunState
from llm_loop.cycle import inbox as inbox_module
from llm_loop.cycle import queueing
from llm_loop.cycle.calls_for_people import call_a_person
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.inbox import Inbox
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.opening import open_context
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.errors import FileWriteError
from llm_loop.memory.folding import apply_all
from llm_loop.memory.queue import needs_approval
from llm_loop.memory.state import LoopState
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.system.processes import Keepers
from tests.conftest import FAKES, eventually
from tests.windows.marks import not_under_wine

GOOD = {"command": f'python "{(FAKES / "fake_trainer.py").as_posix()}" good 0.5', "run_label": "wider-stem"}


class Desk:
    """Hold an inbox of a workspace, opened as a daemon does; ``again`` is the daemon after a kill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keepers = Keepers()
        config = load_config(root / "config" / "daemon_config.json", root, {})
        self.paths = WorkspacePaths(root)
        self.context = open_context(self.paths, config, dict(os.environ), SystemClock(), self.keepers)
        self.code_jobs = CodeJobs(self.context)
        self.inbox = Inbox(self.context, self.code_jobs, Judge(self.context))
        self.slots = RunSlots(self.context, self.code_jobs)
        self._numbers = 0

    @property
    def state(self) -> LoopState:
        return self.context.ledger.state

    def again(self) -> Desk:
        """Return what a daemon finds that was started after this one had been killed: files alone."""
        self.close()
        return Desk(self.root)

    def drop(self, kind: RequestKind, *decisions: dict[str, Any], **fields: Any) -> Path:
        self._numbers += 1
        request = Request(
            id=f"20260301t220000z-{self._numbers:04d}",
            kind=kind,
            decisions=tuple(Decision.from_json(filled(one)) for one in decisions) or None,
            **fields,
        )
        path = self.paths.inbox / f"{request.id}.json"
        files.replace_json(path, request.to_json())
        return path

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.inbox.tick(time.monotonic())

    def answer(self) -> dict[str, Any]:
        """Tick until the next answer and return it."""
        before = len(self.events("request_answered"))
        eventually(lambda: (self.tick(), len(self.events("request_answered")) > before)[1])
        return self.events("request_answered")[-1]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.context.ledger.journal.after(0) if event["event"] == kind]

    def close(self) -> None:
        self.context.jobs.end_all()
        eventually(lambda: all(one.poll() is not None for one in self.keepers._own.values()))


@pytest.fixture
def desk(workspace: Callable[..., Path]) -> Iterator[Desk]:
    made = Desk(workspace())
    yield made
    made.close()


def ids(desk: Desk) -> list[str]:
    return [run.run_id for run in desk.state.in_state(RunState.STAGED)]


# ---------------------------------------------------------------- adding


def test_each_decision_becomes_a_staged_run_and_a_cycle_of_its_own(desk: Desk) -> None:
    label = "lr 3e-4; rm -rf $HOME & `x` | %PATH%"
    path = desk.drop(RequestKind.QUEUE_ADD, GOOD, GOOD | {"run_label": label}, GOOD)
    answer = desk.answer()
    assert (answer["accepted"], answer["why"], answer["run_ids"]) == (True, [], ["R0001", "R0002", "R0003"])
    runs = desk.state.in_state(RunState.STAGED)
    assert [run.run_id for run in runs] == answer["run_ids"]
    assert [run.cycle for run in runs] == [1, 2, 3] and len({run.cycle_trace_id for run in runs}) == 3
    assert {run.proposer for run in runs} == {"person"}
    assert [run.label for run in runs] == ["wider-stem", "lr-3e-4-rm--rf-HOME-x-PATH", "wider-stem-2"]
    assert runs[1].label_decided == label
    assert not path.exists() and desk.state.queue.to_stage == () and desk.state.cycle == desk.state.runs_made == 3
    assert apply_all(LoopState(), desk.context.ledger.journal.after(0)) == desk.state


def test_an_open_plan_stays_open_beside_a_persons_run(desk: Desk) -> None:
    of = {"cycle": 1, "cycle_trace_id": "C0001-0a1b2c3d"}
    desk.context.ledger.record("cycle_opened", **of, agent="command", woken_by=[])
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    desk.answer()
    plan = desk.state.plan
    assert plan is not None and plan.cycle == 1
    assert [run.cycle for run in desk.state.runs.values()] == [2] and desk.state.cycle == 2


def test_nothing_is_queued_unless_all_pass(desk: Desk) -> None:
    path = desk.drop(RequestKind.QUEUE_ADD, GOOD, GOOD | {"command": "rm -rf /", "run_label": "clean-up"}, GOOD)
    answer = desk.answer()
    assert not answer["accepted"] and answer["run_ids"] == [] and ids(desk) == []
    assert any(line.startswith("decision 2 (clean-up): destructive_command: ") for line in answer["why"])
    assert not any(line.startswith(("decision 1", "decision 3")) for line in answer["why"])
    assert all("; mend: " in line for line in answer["why"])
    assert not path.exists() and desk.state.runs_made == 0


def test_only_a_run_can_be_queued(desk: Desk) -> None:
    desk.drop(RequestKind.QUEUE_ADD, GOOD | {"action": "shutdown_daemon"})
    answer = desk.answer()
    assert answer["why"] == ["action: only run_command can be queued, not shutdown_daemon"]
    assert not desk.paths.stop_daemon.exists()


def test_a_broken_policy_is_the_answer_and_not_a_failure(desk: Desk) -> None:
    (desk.root / "config" / "command_policy.yaml").write_text("[", encoding="utf-8")
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    answer = desk.answer()
    assert not answer["accepted"] and "command_policy" in answer["why"][0]


def test_the_queue_of_people_has_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "MOST_OPEN", 2)
    desk.drop(RequestKind.QUEUE_ADD, GOOD, GOOD)
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    assert desk.answer()["accepted"]
    answer = desk.answer()
    assert not answer["accepted"] and "add them later" in answer["why"][0]


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_edits_go_through_the_same_door_as_a_workers(desk: Desk) -> None:
    (desk.root / "repo" / "settings.txt").write_text("width 8\n", encoding="utf-8")
    edit = {"path": "settings.txt", "old": "8", "new": "16"}
    desk.drop(RequestKind.QUEUE_ADD, GOOD | {"edits": [edit]}, GOOD)
    answer = desk.answer()
    assert answer["accepted"], answer["why"]
    changed, plain = desk.state.in_state(RunState.STAGED)
    assert changed.code.place is not None and plain.code.place is None
    checkout = Path(changed.code.place["checkout"])
    assert (checkout / "settings.txt").read_text(encoding="utf-8") == "width 16\n"
    assert "+width 16" in desk.events("run_staged")[0]["run"]["code"]["change"]["diff"]
    desk.drop(RequestKind.QUEUE_ADD, GOOD | {"edits": [{"path": "../outside.txt", "new_text": "x"}]})
    refused = desk.answer()
    assert not refused["accepted"] and refused["why"]


# ---------------------------------------------------------------- exactly once


def test_killed_between_the_answer_and_the_removal_of_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.drop(RequestKind.QUEUE_ADD, GOOD)
    kept = path.read_bytes()
    desk.answer()
    path.write_bytes(kept)  # as if it had never been removed
    later = desk.again()
    later.tick(3)
    assert ids(later) == ["R0001"] and len(later.events("request_answered")) == 1
    assert not path.exists()
    path.write_bytes(kept)
    with monkeypatch.context() as patch:
        patch.setattr(files, "remove", lambda path: (_ for _ in ()).throw(FileWriteError(path, "remove", OSError())))
        later.tick(3)  # somebody holds it open
    assert path.exists() and len(later.events("request_answered")) == 1
    later.tick()
    assert not path.exists()
    later.close()


@pytest.mark.parametrize("staged_before", [0, 1])
def test_killed_between_the_answer_and_the_staging(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, staged_before: int
) -> None:
    real, made = inbox_module.stage, []

    def dies(context: Any, run: Any) -> None:
        if len(made) == staged_before:
            raise KeyboardInterrupt
        made.append(run.run_id)
        real(context, run)

    path = desk.drop(RequestKind.QUEUE_ADD, GOOD, GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "stage", dies)
        with pytest.raises(KeyboardInterrupt):
            desk.tick(2)
    told = desk.events("request_answered")[0]["run_ids"]
    later = desk.again()
    later.tick()
    assert ids(later) == told == ["R0001", "R0002"] and not path.exists()
    assert [event["run"]["run_id"] for event in later.events("run_staged")] == told
    assert later.state.runs_made == 2
    later.close()


def test_a_disk_that_refuses_the_answer_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.drop(RequestKind.QUEUE_ADD, GOOD)
    refusal = FileWriteError(desk.paths.events, "append to", OSError(28, "full"))
    with monkeypatch.context() as patch:
        patch.setattr(desk.context.ledger, "record", lambda *a, **k: (_ for _ in ()).throw(refusal))
        with pytest.raises(FileWriteError):
            desk.tick()
    assert path.exists() and ids(desk) == []
    desk.tick()
    assert ids(desk) == ["R0001"] and not path.exists()


def test_of_answered_requests_the_last_ids_are_kept(desk: Desk) -> None:
    for number in range(300):
        fields = {"id": f"an-id-{number:04d}", "request": "cancel", "accepted": False, "why": [], "run_ids": []}
        desk.context.ledger.record("request_answered", **fields)
    assert len(desk.state.queue.answered) == 256 and desk.state.queue.answered[-1] == "an-id-0299"


# ---------------------------------------------------------------- what is no request


def test_what_is_no_request_is_set_aside_and_holds_nobody_up(desk: Desk) -> None:
    inbox = desk.paths.inbox
    inbox.mkdir(parents=True)
    for name, data in (
        ("00000000-huge.json", b" " * 300_000),
        ("00000000-binary.json", bytes(range(256))),
        ("00000000-deep.json", b"[" * 50_000),
        ("%2e%2e%2fid.json", b"{}"),
        ("UPPER.json", b"{}"),
        (".being-written.json", b"{"),
        ("notes.txt", b"hello"),
    ):
        (inbox / name).write_bytes(data)
    (inbox / "00000000-folder.json").mkdir()
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    assert desk.answer()["accepted"]
    desk.tick()
    told = desk.events("request_unreadable")
    assert len(told) == 6 and all(event["why"] and event["set_aside"] for event in told)
    left = {path.name for path in inbox.iterdir()}
    assert left == {".being-written.json", "notes.txt", *(event["set_aside"] for event in told)}
    desk.tick(3)
    assert len(desk.events("request_unreadable")) == 6


def test_what_cannot_be_set_aside_is_told_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.paths.inbox.mkdir(parents=True)
    broken = desk.paths.inbox / "00000000-broken.json"
    broken.write_text("{", encoding="utf-8")
    desk.drop(RequestKind.QUEUE_ADD, GOOD)

    def held(path: Path, stamp: str) -> Path:
        raise FileWriteError(path, "set aside", OSError(13, "somebody holds it"))

    monkeypatch.setattr(files, "set_aside", held)
    assert desk.answer()["accepted"]
    desk.tick(3)
    assert len(desk.events("request_unreadable")) == 1
    broken.write_text("{}", encoding="utf-8")  # another content is another story
    desk.tick()
    assert len(desk.events("request_unreadable")) == 2


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_link_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret", encoding="utf-8")
    desk.paths.inbox.mkdir(parents=True)
    (desk.paths.inbox / "00000000-link.json").symlink_to(secret)
    desk.tick()
    (told,) = desk.events("request_unreadable")
    assert "a secret" not in json.dumps(told) and secret.read_text(encoding="utf-8") == "a secret"


# ---------------------------------------------------------------- one run


def add(desk: Desk, *, approval: Approval | None = None) -> str:
    """Stage a run and return its id; with ``approval`` it is a worker's."""
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    run_id: str = desk.answer()["run_ids"][0]
    if approval is not None:
        ledger = desk.context.ledger
        run = replace(ledger.state.runs[run_id], proposer="command", approval=approval)
        ledger.state = replace(ledger.state, runs=ledger.state.runs | {run_id: run})
    return run_id


@pytest.mark.parametrize("wanted", ["R0001", "r0001", "wider-stem"])
def test_a_waiting_run_is_cancelled(desk: Desk, wanted: str) -> None:
    add(desk)
    desk.drop(RequestKind.CANCEL, run=wanted)
    assert desk.answer()["run_ids"] == ["R0001"]
    desk.slots.watch(time.monotonic())
    assert desk.state.runs == {}
    (closing,) = desk.events("cycle")
    assert (closing["result"], closing["reason"], closing["proposer"]) == (
        "dropped",
        "cancelled by a person",
        "person",
    )
    (known,) = desk.state.queue.withdrawn
    assert (known["run_id"], known["state"], known["cause"]) == ("R0001", "cancelled", "cancelled by a person")
    desk.drop(RequestKind.CANCEL, run=wanted)
    answer = desk.answer()
    assert not answer["accepted"] and "no run" in answer["why"][0]


def test_to_cancel_twice_is_no_failure(desk: Desk) -> None:
    add(desk)
    for _ in range(2):
        desk.drop(RequestKind.CANCEL, run="R0001")
        assert desk.answer()["accepted"]
    assert len(desk.state.queue.withdrawn) == 1


def test_approve_and_reject_are_for_runs_that_wait_for_it(desk: Desk) -> None:
    add(desk)
    for kind in (RequestKind.APPROVE, RequestKind.REJECT):
        desk.drop(kind, run="R0001")
        answer = desk.answer()
        assert not answer["accepted"] and "R0001 (wider-stem) waits for no approval: it is staged" in answer["why"]
    run_id = add(desk, approval=Approval.WAITING)
    desk.drop(RequestKind.APPROVE, run=run_id)
    assert desk.answer()["accepted"] and desk.state.runs[run_id].approval is Approval.APPROVED
    desk.drop(RequestKind.APPROVE, run=run_id)
    assert "it was approved" in desk.answer()["why"][0]


def test_a_rejected_run_ends_with_the_note(desk: Desk) -> None:
    run_id = add(desk, approval=Approval.WAITING)
    desk.drop(RequestKind.REJECT, run=run_id, note="too  long\nfor tonight \x1b[31m")
    desk.answer()
    desk.slots.watch(time.monotonic())
    (ended,) = desk.events("run_ended")
    assert ended["cause"].startswith("rejected by a person: too long for tonight")
    assert desk.state.queue.withdrawn[0]["cause"] == ended["cause"]


def test_a_killed_daemon_ends_the_cancelled_run_at_its_next_start(desk: Desk) -> None:
    add(desk)
    desk.drop(RequestKind.CANCEL, run="R0001")
    desk.answer()
    later = desk.again()
    later.slots.watch(time.monotonic())
    assert later.state.runs == {} and len(later.events("run_ended")) == 1
    later.close()


def test_the_rule_says_who_needs_a_word(desk: Desk) -> None:
    add(desk)
    own = desk.state.runs["R0001"]
    worker = replace(own, proposer="command")
    edited = replace(worker, code=replace(worker.code, change={"files": [{"path": "a.py"}]}))
    configured = replace(worker, code=replace(worker.code, change={"files": [], "config_files": None}))
    for rule, needy in (
        (ApprovalRule.NEVER, []),
        (ApprovalRule.ALWAYS, [worker, edited, configured]),
        (ApprovalRule.EDITS, [edited]),
    ):
        assert [run for run in (own, worker, edited, configured) if needs_approval(run, rule)] == needy


def test_a_request_that_is_written_anew_while_it_is_judged_is_judged_anew(desk: Desk) -> None:
    path = desk.drop(RequestKind.QUEUE_ADD, *[dict(GOOD, run_label=f"first-{place}-stem") for place in range(3)])
    desk.tick(2)
    value = json.loads(path.read_text(encoding="utf-8"))
    files.replace_json(path, value | {"decisions": [dict(value["decisions"][0], run_label="other-stem")]})
    assert desk.answer()["accepted"]
    assert [run.label for run in desk.state.runs.values()] == ["other-stem"]


def test_files_that_are_no_business_of_ours_hide_no_request(desk: Desk) -> None:
    desk.paths.inbox.mkdir(parents=True, exist_ok=True)
    for number in range(inbox_module._MOST_LOOKED_AT + 1):
        (desk.paths.inbox / f".hidden-{number}.json").touch()
    desk.drop(RequestKind.QUEUE_ADD, GOOD)
    assert desk.answer()["accepted"]


# ---------------------------------------------------------------- reasons for which a person is needed


def call(desk: Desk, cause: str = "short") -> None:
    why = "only 3 MB are free"
    call_a_person(desk.context.ledger, phase="disk", cause=cause, why=why, what_to_do="free some")


def test_a_person_resolves_a_reason_by_its_id(desk: Desk) -> None:
    call(desk)
    call(desk, "another")
    path = desk.drop(RequestKind.RESOLVE, reason="h1", note=" freed \x1b[31m\n some ")
    answer = desk.answer()
    assert (answer["accepted"], answer["reasons"], answer["note"]) == (True, ["H1"], "freed some")
    (closed,) = desk.events("human_no_longer_needed")
    assert (closed["id"], closed["by"], closed["note"]) == ("H1", "person", "freed some")
    assert [one.cause for one in desk.state.interventions.reasons] == ["another"] and not path.exists()
    desk.drop(RequestKind.RESOLVE, reason="all")
    assert desk.answer()["reasons"] == ["H2"] and not desk.state.interventions.reasons
    assert apply_all(LoopState(), desk.context.ledger.journal.after(0)) == desk.state


def test_a_reason_that_is_not_open_is_refused_with_those_that_are(desk: Desk) -> None:
    call(desk)
    desk.drop(RequestKind.RESOLVE, reason="H99")
    answer = desk.answer()
    assert not answer["accepted"] and "reasons" not in answer
    assert answer["why"] == ["no reason 'H99' is open here; open is", "H1 disk: only 3 MB are free"]


def test_killed_between_the_answer_and_the_closing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(ledger: Any) -> None:
        if any(one.resolved for one in ledger.state.interventions.reasons):
            raise KeyboardInterrupt

    call(desk)
    path = desk.drop(RequestKind.RESOLVE, reason="H1", note="freed")
    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "close_resolved", dies)
        with pytest.raises(KeyboardInterrupt):
            desk.tick()
    assert len(desk.events("request_answered")) == 1 and not desk.events("human_no_longer_needed")
    later = desk.again()
    later.tick()
    assert [event["note"] for event in later.events("human_no_longer_needed")] == ["freed"] and not path.exists()
    assert not later.state.interventions.reasons
    later.close()
