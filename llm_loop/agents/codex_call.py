"""Ask Codex once: one ``codex exec`` from prompt to turn, held with a deadline, told apart from its failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llm_loop.agents.codex_command import exec_arguments, exec_environment
from llm_loop.agents.codex_events import CodexTurn, parse_events
from llm_loop.agents.codex_failures import classify, sandbox_is_broken
from llm_loop.agents.codex_home import ensure_home
from llm_loop.agents.codex_log import CodexLog, read_log
from llm_loop.agents.codex_request import CodexRequest
from llm_loop.contract.call_report import CallFailure, FailureCause, TokenUse
from llm_loop.contract.mcp_server import codex_arguments
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CommandError, FileWriteError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.system.held_child import ChildLimits, hold

EVENTS, LOG, STOP_FILE = "events.jsonl", "codex_stderr.txt", "STOP"
MAX_OUTPUT_BYTES = 50_000_000
_NO_TURN, _NO_LOG = CodexTurn(), CodexLog()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold what one ask came to. Without ``failure`` the turn came to its end; a message it may lack all the same."""

    failure: CallFailure | None
    turn: CodexTurn = _NO_TURN
    log: CodexLog = _NO_LOG
    sandbox_is_broken: bool = False

    @property
    def tokens(self) -> TokenUse | None:
        """The tokens of the turn: as reported at its end, else as logged for each request that was answered whole."""
        return self.turn.tokens or self.log.tokens

    @property
    def commands(self) -> int:
        """How many commands the model tried, those without an event too."""
        return max(self.turn.commands, self.log.commands)

    @property
    def commands_failed(self) -> int:
        """How many of them failed; a command without an event is one that the sandbox refused."""
        return self.turn.commands_failed + self.commands - self.turn.commands


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexCaller:
    """Ask Codex in the folder of a call.

    ``folder`` is WORKSPACE/.llm_loop/calls/CALL; prompts, events and log stay there, those of several asks one after
    another. ``cwd`` is Codex's working folder, ``until_s`` the deadline of all asks in monotonic seconds.
    """

    folder: Path
    request: CodexRequest
    cwd: Path
    until_s: float
    environ: Mapping[str, str]
    now: Callable[[], datetime]

    def ask(self, prompt: str, prompt_name: str, meanwhile: Callable[[], None] | None = None) -> Asked:
        """Return what Codex makes of a prompt; ``meanwhile`` is called while it works. Raises FileWriteError."""
        codex = self.request.codex
        if not codex.binary.is_file():
            return _failed(FailureCause.BINARY_MISSING, f"{codex.binary} is missing")
        try:
            ensure_home(codex.home)
        except (OSError, FileWriteError) as error:
            return _failed(FailureCause.BAD_REQUEST, f"{codex.home} cannot be used: {error}")
        question, events, log = (self.folder / name for name in (prompt_name, EVENTS, LOG))
        files.replace_text(question, prompt, durable=False)
        before = [path.stat().st_size if path.exists() else 0 for path in (events, log)]
        limit_s = self.until_s - SystemClock().monotonic()
        try:
            ending = hold(
                self._arguments(),
                env=exec_environment(self.environ, codex.home, self.request.tag),
                cwd=self.cwd,
                stdin=question,
                stdout=events,
                stderr=log,
                limits=self._limits(),
                meanwhile=meanwhile,
            )
        except CommandError as error:
            return _failed(FailureCause.BINARY_MISSING, str(error))
        turn, logged = parse_events(events, before[0]), read_log(log, before[1])
        return Asked(
            failure=classify(turn, logged, ending, self.now(), limit_s=limit_s),
            turn=turn,
            log=logged,
            sandbox_is_broken=sandbox_is_broken(turn, logged, codex.sandbox_mode),
        )

    def _limits(self) -> ChildLimits:
        stop_file = self.folder / STOP_FILE
        return ChildLimits(until_s=self.until_s, stop_file=stop_file, max_output_bytes=MAX_OUTPUT_BYTES)

    def _arguments(self) -> list[str]:
        codex = self.request.codex
        paths = WorkspacePaths(self.folder.parents[2])
        checkout = self.cwd if self.cwd.parent == paths.checkouts else None
        return exec_arguments(
            codex,
            cwd=self.cwd,
            schema=self.folder / "schema.json",
            last_message=self.folder / "last_message.txt",
            tag=self.request.tag,
            tools=codex_arguments(paths.root, checkout, self.request.keep_out) if codex.mcp else None,
        )


def _failed(cause: FailureCause, message: str) -> Asked:
    return Asked(failure=CallFailure(cause=cause, message=message[:500]))
