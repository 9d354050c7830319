"""What a worker and a mentor are: a child process with an observation, a deadline and one JSON answer.

Two kinds exist in this version. ``builtin`` is the planner that needs no account. ``command`` is any
program named by ``worker_command`` or ``mentor_command``: it reads the observation as JSON on standard
input and prints its answer, one JSON object, on standard output. Nothing downstream knows who decided.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.observation import Observation
from llm_loop.contract.outside_file import open_outside, read_outside
from llm_loop.errors import ContractError
from llm_loop.system import files, processes
from llm_loop.system.clock import Every
from llm_loop.system.processes import EndCause, Ending, HeldCommand, Keepers

BUILTIN = "builtin"
COMMAND = "command"
MAX_ANSWER_BYTES = 2_000_000
MAX_ANSWER_VALUES = 2_000
MAX_ANSWER_DEPTH = 20
MAX_KEY_CHARACTERS = 200
MAX_OUTPUT_BYTES = 50_000_000
STDOUT, STDERR, STOP_FILE = "stdout.txt", "stderr.txt", "STOP"
KEPT_CALLS = 40
_SIZE_LOOK_S = 0.5
_NUMBERED = re.compile(r"-[0-9]{1,9}$")
_GRACE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Hold how one agent is asked: its name, its command line (None: built in), its deadline in seconds."""

    name: str
    command: str | None
    deadline_s: float


class Calls:
    """Make calls to agents: one folder each, held by a keeper like a run."""

    def __init__(self, keepers: Keepers, workspace: Path) -> None:
        self._keepers = keepers
        self._workspace = workspace
        self._size_look = Every(_SIZE_LOOK_S)

    def prepare(self, agent: Agent, folder: Path, observation: Observation) -> None:
        """Write observation and spec; nothing is started. Raises CommandError, FileWriteError."""
        question = folder / "observation.json"
        files.replace_json(question, observation.to_json(), durable=False)
        if agent.command is None:
            argv: tuple[str, ...] = (sys.executable, "-X", "utf8", "-m", "llm_loop.agents.builtin", str(folder))
        else:
            first, *rest = _words(agent.command)
            argv = (processes.resolve_program(first, os.environ.get("PATH", os.defpath), self._workspace), *rest)
        held = HeldCommand(
            tag=folder.name,
            argv=argv,
            cwd=self._workspace,
            stdin=question,
            stdout=folder / STDOUT,
            stderr=folder / STDERR,
            stop_file=folder / STOP_FILE,
            grace_s=_GRACE_S,
            deadline_s=agent.deadline_s,
        )
        self._keepers.prepare(folder, held)

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
            with suppress(OSError):
                folder.rmdir()

    def start(self, folder: Path, tag: str) -> None:
        """Start a prepared call. Raises CommandError."""
        self._keepers.start(folder, _call_environment(os.environ, tag))

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


def read_answer(folder: Path, ending: Ending) -> Any:
    """Return the JSON value that an agent answered.

    Raises ContractError that says why there is none: ended otherwise than with 0, too large, no JSON.
    """
    if ending.cause is not EndCause.EXITED or ending.exit_code != 0:
        said = _tail(folder / STDERR).strip().splitlines()
        how = f"exit code {ending.exit_code}" if ending.cause is EndCause.EXITED else ending.cause.value
        raise ContractError("the agent's call", [f"ended with {how}" + (f": {said[-1][:300]}" if said else "")])
    try:
        answer = json.loads(_answer_bytes(folder).decode("utf-8-sig", "replace"))
    except OSError as error:
        raise ContractError("the agent's answer", [f"it cannot be read: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        raise ContractError("the agent's answer", [f"not JSON: {error}"]) from error
    _check_size(answer)
    return answer


def _answer_bytes(folder: Path) -> bytes:
    try:
        return read_outside(folder / "answer.json", MAX_ANSWER_BYTES)
    except FileNotFoundError:
        return read_outside(folder / STDOUT, MAX_ANSWER_BYTES)


def _check_size(answer: Any) -> None:
    """Raise ContractError for an answer of a shape that would take long to check and to say what is wrong with."""
    level: list[Any] = [answer]
    count = 0
    for _ in range(MAX_ANSWER_DEPTH):
        count += len(level)
        if count > MAX_ANSWER_VALUES:
            raise ContractError("the agent's answer", [f"more than {MAX_ANSWER_VALUES} values"])
        mappings = [value for value in level if isinstance(value, dict)]
        if any(len(key) > MAX_KEY_CHARACTERS for mapping in mappings for key in mapping):
            raise ContractError("the agent's answer", [f"a key of more than {MAX_KEY_CHARACTERS} characters"])
        lists = [value for value in level if isinstance(value, list)]
        level = [
            *(entry for mapping in mappings for entry in mapping.values()),
            *(e for entries in lists for e in entries),
        ]
        if not level:
            return
    raise ContractError("the agent's answer", [f"nested more than {MAX_ANSWER_DEPTH} deep"])


def _tail(path: Path) -> str:
    """Return the last 2,000 bytes of what an agent printed; "" when that is no file any more."""
    try:
        with open_outside(path) as stream:
            stream.seek(max(0, path.stat().st_size - 2000))
            return stream.read(2000).decode("utf-8", "replace")
    except OSError:
        return ""


def _prints_without_end(folder: Path) -> bool:
    return any(_size(folder / name) > MAX_OUTPUT_BYTES for name in (STDOUT, STDERR))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _words(command: str) -> list[str]:
    """Split a command line; on Windows a backslash is a letter of a path."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = "" if os.name == "nt" else "\\"
    return list(lexer)


def _call_environment(base: Mapping[str, str], tag: str) -> dict[str, str]:
    """Return the environment of a call: this package importable, output in UTF-8, the tag of its processes."""
    package_parent = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([package_parent, *filter(None, [base.get("PYTHONPATH")])])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**base, **threads, "PYTHONPATH": search, "PYTHONUTF8": "1", "LLM_LOOP_RUN": tag}
