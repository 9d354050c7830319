"""What a worker and a mentor are: a child process with an observation, a deadline and one JSON answer.

Three kinds exist. ``builtin`` is the planner that needs no account. ``codex`` is the Codex CLI, called by a
child of ours (``stages/decide.py``) that leaves its answer and a report on the call. ``command`` is any
program named by ``worker_command`` or ``mentor_command``: it reads the observation as JSON on standard
input and prints its answer, one JSON object, on standard output. Nothing downstream knows who decided.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.agents.answers import find_json, shape_violation
from llm_loop.agents.observation_text import ObservationText
from llm_loop.contract.call_report import CallFailure, CallReport, FailureCause
from llm_loop.contract.observation import Observation
from llm_loop.contract.outside_file import read_outside, tail_outside
from llm_loop.errors import ContractError
from llm_loop.system import files
from llm_loop.system.argv import argv_of
from llm_loop.system.clock import Every
from llm_loop.system.jobs import own_environment
from llm_loop.system.processes import EndCause, Ending, HeldCommand, Keepers

BUILTIN = "builtin"
CODEX = "codex"
COMMAND = "command"
MAX_ANSWER_BYTES = 2_000_000
MAX_OUTPUT_BYTES = 50_000_000
STDOUT, STDERR, STOP_FILE = "stdout.txt", "stderr.txt", "STOP"
EMPTY = "empty"
"""The working folder, in a call's own, of an agent that has no checkout."""
KEPT_CALLS = 40
_TAIL_BYTES = 2_000
_SIZE_LOOK_S = 0.5
_NUMBERED = re.compile(r"-[0-9]{1,9}$")
_GRACE_S = 1.0
_CHILDREN = {BUILTIN: "llm_loop.agents.builtin", CODEX: "llm_loop.stages.decide"}
_CAUSES = {
    EndCause.DEADLINE: FailureCause.TIMEOUT,
    EndCause.STOPPED: FailureCause.STOPPED,
    EndCause.INTERRUPTED: FailureCause.STOPPED,  # the machine was shut down
    EndCause.VOID: FailureCause.STOPPED,  # the daemon ended before the call began
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Hold how one agent is asked.

    ``command`` is the command line of a ``command`` agent, ``request`` what the child of a ``codex`` call is told
    (the form of ``request.json``, see ``stages/decide.py``); ``deadline_s`` ends the call in any case.
    """

    name: str
    deadline_s: float
    command: str | None = None
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """Hold what a call came to: the JSON value answered, or ``why`` there is none; a Codex call has a report."""

    answer: Any = None
    why: tuple[str, ...] = ()
    report: CallReport | None = None


class Calls:
    """Make calls to agents: one folder each, held by a keeper like a run."""

    def __init__(self, keepers: Keepers, workspace: Path) -> None:
        self._keepers = keepers
        self._workspace = workspace
        self._size_look = Every(_SIZE_LOOK_S)
        self._text = ObservationText()

    def prepare(self, agent: Agent, folder: Path, observation: Observation) -> None:
        """Write observation and spec; nothing is started. Raises CommandError, FileWriteError."""
        question = folder / "observation.json"
        files.replace_bytes(question, self._text.of(observation), durable=False)
        if agent.request is not None:
            files.replace_json(folder / "request.json", dict(agent.request), durable=False)
        held = HeldCommand(
            tag=folder.name,
            argv=self._argv(agent, folder),
            cwd=self._workspace,
            stdin=question,
            stdout=folder / STDOUT,
            stderr=folder / STDERR,
            stop_file=folder / STOP_FILE,
            grace_s=_GRACE_S,
            deadline_s=agent.deadline_s,
        )
        self._keepers.prepare(folder, held)

    def _argv(self, agent: Agent, folder: Path) -> tuple[str, ...]:
        if agent.command is not None:
            return argv_of(agent.command, self._workspace)
        module = _CHILDREN[agent.name]
        return (sys.executable, "-X", "utf8", "-m", module, str(folder))

    def forget_old(self, calls: Path) -> None:
        """Remove the folders of all but the last 40 calls; what matters of them is in the journal.

        Only plain files that lie directly in a call's folder are removed. Raises FileWriteError.
        """
        folders = [folder for folder in calls.iterdir() if _NUMBERED.search(folder.name) and folder.is_dir()]
        folders.sort(key=lambda folder: int(folder.name.rpartition("-")[2]))
        for folder in folders[:-KEPT_CALLS]:
            for file in folder.iterdir():
                if file.is_file() and not file.is_symlink():
                    files.remove(file)
            for place in (folder / EMPTY, folder):
                with suppress(OSError):
                    place.rmdir()

    def start(self, folder: Path, tag: str) -> None:
        """Start a prepared call. Raises CommandError."""
        self._keepers.start(folder, own_environment(os.environ, tag))

    def poll(self, folder: Path, now_s: float) -> Ending | None:
        """Return how the call ended, or None while it is in flight.

        One that prints without end is asked to stop: its answer is refused as it is. Raises FileWriteError.
        """
        ending = self._keepers.poll(folder, now_s)
        if ending is None and self._size_look.due(now_s) and _prints_without_end(folder):
            self.request_stop(folder)
        return ending

    def request_stop(self, folder: Path) -> None:
        """Ask the call to end; its keeper sees to it within about a second. Raises FileWriteError."""
        if not (folder / STOP_FILE).exists():
            files.replace_text(folder / STOP_FILE, "", durable=False)


def read_outcome(agent_name: str, folder: Path, ending: Ending) -> CallOutcome:
    """Return what a call of that kind of agent came to; whatever an agent leaves behind, this raises nothing."""
    if agent_name != CODEX:
        try:
            return CallOutcome(answer=read_answer(folder, ending))
        except ContractError as error:
            return CallOutcome(why=tuple(error.violations))
    report = _read_report(folder, ending)
    if report.failure is not None:
        why = f"{report.failure.cause.value}: {report.failure.message}"
        return CallOutcome(why=(why,), report=report)
    try:
        answer = json.loads(read_outside(folder / "answer.json", MAX_ANSWER_BYTES).decode("utf-8-sig", "replace"))
    except (OSError, ValueError, RecursionError) as error:
        return CallOutcome(why=(f"the answer cannot be read: {error}",), report=report)
    if (violation := shape_violation(answer)) is not None:
        return CallOutcome(why=(violation,), report=report)
    return CallOutcome(answer=answer, report=report)


def _read_report(folder: Path, ending: Ending) -> CallReport:
    """Return the report of a Codex call; one that left none has failed, and its ending says how."""
    try:
        value = json.loads(read_outside(folder / "report.json", MAX_ANSWER_BYTES).decode("utf-8"))
        return CallReport.from_json(value)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        cause = _CAUSES.get(ending.cause, FailureCause.CRASHED)
        return CallReport(failure=CallFailure(cause=cause, message=_how(folder, ending)))


def _how(folder: Path, ending: Ending) -> str:
    said = _tail(folder / STDERR).strip().splitlines()
    how = f"exit code {ending.exit_code}" if ending.cause is EndCause.EXITED else ending.cause.value
    return f"ended with {how}" + (f": {said[-1][:300]}" if said else "")


def read_answer(folder: Path, ending: Ending) -> Any:
    """Return the JSON object that an agent answered, bare, in a fence or amid prose.

    Raises ContractError that says why there is none: ended otherwise than with 0, too large, no JSON.
    """
    if ending.cause is not EndCause.EXITED or ending.exit_code != 0:
        raise ContractError("the agent's call", [_how(folder, ending)])
    try:
        text = _answer_bytes(folder).decode("utf-8-sig", "replace")
    except OSError as error:
        raise ContractError("the agent's answer", [f"it cannot be read: {error.strerror}"]) from error
    answer = find_json(text)
    if answer is None:
        raise ContractError("the agent's answer", [f"not JSON: {_beginning(text)}"])
    if (violation := shape_violation(answer)) is not None:
        raise ContractError("the agent's answer", [violation])
    return answer


def _beginning(text: str) -> str:
    line = " ".join(text[:400].split())
    return f"it begins with {line[:120]!r}" if line else "it is empty"


def _answer_bytes(folder: Path) -> bytes:
    try:
        return read_outside(folder / "answer.json", MAX_ANSWER_BYTES)
    except FileNotFoundError:
        return read_outside(folder / STDOUT, MAX_ANSWER_BYTES)


def _tail(path: Path) -> str:
    return tail_outside(path, _TAIL_BYTES).decode("utf-8", "replace")


def _prints_without_end(folder: Path) -> bool:
    return any(_size(folder / name) > MAX_OUTPUT_BYTES for name in (STDOUT, STDERR))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
