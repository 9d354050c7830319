"""What the checks before a launch come to: the first that surely fails decides, what cannot be told keeps nothing."""

from __future__ import annotations

from typing import Any

from llm_loop.contract.diagnosis import Cause
from llm_loop.stages.diagnose import diagnose_check
from llm_loop.stages.validate import KNOWN, not_told, validate
from llm_loop.validation.verdict import PASSED, Verdict, failed, skipped, unknown


def answer(**verdicts: Verdict) -> dict[str, Any]:
    """Return what the child writes for these checks, each of half a second."""
    checks = [verdict.to_json(name, 0.5) for name, verdict in verdicts.items()]
    return {"checks": checks, "dry_run": None}


def states(steps: list[dict[str, Any]]) -> list[tuple[str, str, float, str | None]]:
    return [(step["step"], step["state"], step["seconds"], step["cause"]) for step in steps]


def test_what_passes_or_does_not_apply_is_done() -> None:
    good = validate(answer(command=PASSED, code=PASSED, config=skipped("none named")))
    assert good.failed is None
    assert states(good.steps(None)) == [("prepare", "done", 0.5, None), ("validate", "done", 1.0, None)]
    assert good.told()[2] == {"name": "config", "state": "skipped", "why": "none named"}


def test_what_cannot_be_told_keeps_no_run() -> None:
    unsure = validate(answer(command=PASSED, code=PASSED, data=unknown("no look")))
    assert unsure.failed is None
    assert [state for _, state, _, _ in states(unsure.steps(None))] == ["done", "unknown"]
    lost = not_told("the child was killed")
    assert lost.failed is None and lost.told()[0]["why"] == "the child was killed"
    assert [state for _, state, _, _ in states(lost.steps(None))] == ["done", "unknown"]
    assert KNOWN.failed is None and [state for _, state, _, _ in states(KNOWN.steps(None))] == ["done", "done"]


def test_broken_code_is_of_prepare_and_nothing_follows_it() -> None:
    broken = validate(answer(command=PASSED, code=failed(Cause.CODE_ERROR, "it does not compile", "SyntaxError")))
    assert broken.failed is not None and broken.failed["name"] == "code"
    assert states(broken.steps(Cause.CODE_ERROR)) == [("prepare", "failed", 0.5, "code_error")]


def test_a_full_disk_is_of_the_machine_and_fails_no_run() -> None:
    assert validate(answer(room=failed(Cause.DISK_FULL, "only 3 MB are free"))).failed is None
    short = validate(answer(room=failed(Cause.HOST_OUT_OF_MEMORY, "this machine has less")))
    assert short.failed is not None
    assert states(short.steps(Cause.HOST_OUT_OF_MEMORY))[1] == ("validate", "failed", 0.5, "host_out_of_memory")


def test_a_check_is_diagnosed_in_its_own_words() -> None:
    check = failed(Cause.DATA, "no such folder", "[Errno 2] data", key="data.root").to_json("data", 0.1)
    diagnosis = diagnose_check(check, None, ())
    assert (diagnosis.cause, diagnosis.confidence, diagnosis.evidence_line) == (Cause.DATA, 1.0, "[Errno 2] data")
    assert diagnosis.details == {"key": "data.root"}


def test_a_dry_run_is_diagnosed_by_what_it_printed() -> None:
    check = failed(None, "the dry run ended with exit code 1", "last line").to_json("dry_run", 0.1)
    printed = {"exit_code": 1, "stdout": "", "stderr": "Traceback (most recent call last):\nMemoryError\n"}
    assert diagnose_check(check, printed, ()).cause is Cause.HOST_OUT_OF_MEMORY
    assert diagnose_check(check, None, ()).cause is Cause.UNKNOWN
