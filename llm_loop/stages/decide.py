"""Decide: the child of one Codex call, ``python -X utf8 -m llm_loop.stages.decide FOLDER``.

All that is slow about a call happens here and not in the daemon. In FOLDER it finds ``request.json`` (the form of
``agents/codex_request.py``) and ``observation.json``; it opens the worker's checkout, builds the prompt, asks Codex,
checks the answer at the door and asks once more when it does not hold, applies the answer's edits in the checkout
and collects what differs there. It leaves, the last one last:

    schema.json, prompt.txt, prompt_repair.txt         what Codex was given
    events.jsonl, codex_stderr.txt, last_message.txt   what Codex printed
    answer.json                                        the JSON value as answered, when there was one
    report.json                                        contract/call_report.CallReport

Its exit code is 0 also when the call failed: then the report says why. A file STOP in FOLDER ends the call.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_loop.agents.answers import MAX_CHARACTERS, find_json, shape_violation
from llm_loop.agents.codex_call import EVENTS, Asked, CodexCaller
from llm_loop.agents.codex_log import sum_of
from llm_loop.agents.codex_request import CodexRequest
from llm_loop.agents.prompt_repair import repair_prompt
from llm_loop.agents.prompts import mentor_prompt, worker_prompt
from llm_loop.contract.call_report import CallFailure, CallReport, FailureCause
from llm_loop.contract.code_change import CodeBase, CodeChange
from llm_loop.contract.observation import Observation, Role
from llm_loop.errors import ContractError, LoopError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.system.folders import make_folder, never_make_anew

if TYPE_CHECKING:
    from llm_loop.versions.checkout import OpenCheckout

REPORT_MARGIN_S = 5.0
LEAST_REPAIR_S = 5.0
_MOST_SIGNALS = 24
_SCHEMAS = {Role.WORKER: "decision", Role.MENTOR: "review"}
_CONTRACT = Path(__file__).parents[1] / "contract"
_NOT_FOR_CODEX = ("$schema", "title")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold an answer at the door: the JSON value found, and in which ways it breaks the contract."""

    value: Any = None
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Hold where Codex works. ``why_none`` says why a checkout that was asked for could not be made."""

    folder: Path
    opened: OpenCheckout | None = None
    why_none: str | None = None

    @property
    def base(self) -> CodeBase | None:
        """What the checkout began as."""
        return None if self.opened is None else self.opened.base


def main(folder: Path) -> int:
    """Make the call that ``folder`` describes; return 0. Raises LoopError when not even a report can be left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keeper's polite word; the file STOP says the same
    began_s = SystemClock().monotonic()
    never_make_anew(folder)
    request = CodexRequest.from_json(files.read_json(folder / "request.json"))
    observation = Observation.from_json(files.read_json(folder / "observation.json"))
    until_s = began_s + request.timeout_s - min(REPORT_MARGIN_S, request.timeout_s / 4)
    value, report = call(folder, request, observation, until_s)
    if value is not None:
        files.replace_json(folder / "answer.json", value)
    files.replace_json(folder / "report.json", report.to_json())
    return 0


def call(folder: Path, request: CodexRequest, observation: Observation, until_s: float) -> tuple[Any, CallReport]:
    """Return the answer's JSON value (None: none) and the report; ``until_s`` is the deadline in monotonic seconds."""
    try:
        desk = _open_desk(request)
    except (LoopError, OSError) as error:
        return None, CallReport(failure=CallFailure(cause=FailureCause.CHECKOUT, message=str(error)[:500]))
    prompt = _prompt(request, observation, desk)
    files.replace_json(folder / "schema.json", schema_for_codex(request.role), durable=False)
    caller = CodexCaller(
        folder=folder,
        request=request,
        cwd=desk.folder,
        until_s=until_s,
        environ=os.environ,
        now=lambda: datetime.now(UTC),
    )
    asked, judged = _ask(caller, prompt)
    report = _report(folder, prompt, desk, asked)
    if asked[-1].failure is not None:
        return judged.value, report(asked[-1].failure, None)
    if judged.violations:
        return judged.value, report(_unusable(asked[-1], judged), None)
    try:
        return judged.value, report(None, _change(desk, judged.value))
    except (LoopError, OSError) as error:  # a full disk, a damaged store: the change is not known, so it is not run
        return judged.value, report(CallFailure(cause=FailureCause.CHECKOUT, message=str(error)[:500]), None)


def schema_for_codex(role: Role) -> dict[str, Any]:
    """Return the schema of a role's answer without the keywords that structured output does not know."""
    schema = files.read_json(_CONTRACT / f"{_SCHEMAS[role]}.schema.json")
    return {key: entry for key, entry in schema.items() if key not in _NOT_FOR_CODEX}


def judge(role: Role, text: str | None) -> Judged:
    """Return what the contract says of a model's last message."""
    if text is None or not text.strip():
        return Judged(violations=("there was no answer",))
    if len(text) > MAX_CHARACTERS:
        return Judged(violations=(f"the answer is longer than {MAX_CHARACTERS:,} characters",))
    value = find_json(text)
    if value is None:
        return Judged(violations=("the answer holds no whole JSON object",))
    if (violation := shape_violation(value)) is not None:
        return Judged(violations=(violation,))
    from llm_loop.contract.decision import Decision  # here and not above: loaded while Codex works
    from llm_loop.contract.review import Review

    try:
        Decision.from_json(value) if role is Role.WORKER else Review.from_json(value)
    except ContractError as error:
        return Judged(value=value, violations=tuple(error.violations))
    return Judged(value=value)


def _ask(caller: CodexCaller, prompt: str) -> tuple[list[Asked], Judged]:
    """Ask, and once more when the answer does not hold and time is left."""
    role = caller.request.role
    asked = [caller.ask(prompt, "prompt.txt", meanwhile=_load_what_comes_later)]
    judged = _judged(role, asked[0])
    if asked[0].failure is None and judged.violations and SystemClock().monotonic() < caller.until_s - LEAST_REPAIR_S:
        again = repair_prompt(prompt, judged.violations, asked[0].turn.last_message)
        asked.append(caller.ask(again, "prompt_repair.txt"))
        judged = _judged(role, asked[1])
    return asked, judged


def _judged(role: Role, asked: Asked) -> Judged:
    return Judged() if asked.failure is not None else judge(role, asked.turn.last_message)


def _load_what_comes_later() -> None:
    """Load, while Codex works, what its answer is checked and its changes are collected with."""
    from llm_loop.contract import schemas

    schemas.violations("decision", None)  # builds the validator
    import llm_loop.contract.review
    import llm_loop.versions.collecting
    import llm_loop.versions.edits  # noqa: F401


def _unusable(asked: Asked, judged: Judged) -> CallFailure:
    empty = not (asked.turn.last_message or "").strip()
    cause = FailureCause.NO_ANSWER if empty else FailureCause.SCHEMA
    return CallFailure(cause=cause, message="; ".join(judged.violations)[:500])


def _prompt(request: CodexRequest, observation: Observation, desk: Desk) -> str:
    if request.role is Role.MENTOR:
        return mentor_prompt(observation, max_chars=request.prompt_max_chars)
    return worker_prompt(observation, base=desk.base, max_chars=request.prompt_max_chars)


# ---------------------------------------------------------------- the checkout


def _open_desk(request: CodexRequest) -> Desk:
    """Open the checkout; where the repository cannot be taken, the worker thinks in an empty folder and says so."""
    if request.checkout is not None:
        from llm_loop.versions.checkout import CheckoutRequest, open_checkout
        from llm_loop.versions.refusal import CodeRefused

        try:
            opened = open_checkout(CheckoutRequest.from_json(request.checkout))
            return Desk(folder=opened.folder, opened=opened)
        except CodeRefused as error:
            print(f"no checkout: {error}", file=sys.stderr)
            why = str(error)
    make_folder(request.working_folder)
    return Desk(folder=request.working_folder, why_none=None if request.checkout is None else why)


def _change(desk: Desk, value: Any) -> CodeChange | None:
    """Apply the edits of a decision in its checkout and return all that differs there from its base."""
    if desk.opened is None:
        return None
    from llm_loop.contract.decision import Decision
    from llm_loop.versions.collecting import collect
    from llm_loop.versions.edits import apply_edits

    return collect(desk.opened, apply_edits(desk.opened, Decision.from_json(value).edits or ()))


# ---------------------------------------------------------------- the report


def _report(
    folder: Path, prompt: str, desk: Desk, asked: Sequence[Asked]
) -> Callable[[CallFailure | None, CodeChange | None], CallReport]:
    """Return a maker of the report on these asks, which needs to know how it all ended."""
    turns = [ask.turn for ask in asked]
    signals = [*(["no_checkout"] if desk.why_none else []), *(word for turn in turns for word in turn.tool_signals)]

    def make(failure: CallFailure | None, code: CodeChange | None) -> CallReport:
        return CallReport(
            failure=failure,
            tokens=sum_of([ask.tokens for ask in asked if ask.tokens is not None]),
            code=code,
            base=desk.base,
            used_web_search=any(turn.used_web_search for turn in turns),
            tool_signals=tuple(dict.fromkeys(signals))[:_MOST_SIGNALS],
            parsed_event_lines=sum(turn.parsed_lines for turn in turns),
            commands_run=sum(ask.commands for ask in asked),
            commands_failed=sum(ask.commands_failed for ask in asked),
            sandbox_is_broken=any(ask.sandbox_is_broken for ask in asked),
            prompt_characters=len(prompt),
            trace_file=str(folder / EVENTS),
        )

    return make


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
