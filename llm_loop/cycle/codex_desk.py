"""Whether Codex can be asked now, why not, and what a call of it is told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_loop.agents.agent import CODEX, EMPTY
from llm_loop.agents.codex_binary import CodexBinary, find_codex
from llm_loop.agents.codex_home import ensure_home, is_ready
from llm_loop.agents.codex_request import CodexRequest, CodexSettings
from llm_loop.agents.sandbox_choice import READ_ONLY, STORE, Pin, SandboxChoice, keep_choice, stored_choice
from llm_loop.contract.call_report import CallFailure, CallReport, FailureCause
from llm_loop.contract.mcp_server import sdk_is_there
from llm_loop.contract.observation import Role
from llm_loop.cycle.checkouts import checkout_question
from llm_loop.errors import CommandError, FileWriteError
from llm_loop.memory.call_budget import Budget, rest_reason
from llm_loop.memory.outages import resting
from llm_loop.memory.state import Plan
from llm_loop.system import files
from llm_loop.system.clock import Every, utc_text

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context

_LOOK_S = 5.0
_TRIAL = "sandbox-trial"
_TRIAL_DEADLINE_S = 200.0
_SHORT_REST_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Say why Codex is not asked, in a sentence, and whether that is over within about a minute and a half."""

    sentence: str
    is_short: bool = False


class CodexDesk:
    """Know the client, its home and its sandbox, and write the requests of its calls."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._look = Every(_LOOK_S)
        self._ready = False
        self._login_seen: object = None
        self._binary: CodexBinary | None = None
        self._missing: str | None = None
        self.sandbox: SandboxChoice | None = None

    @property
    def home(self) -> Path:
        """The loop's own CODEX_HOME."""
        return self._context.paths.codex_home

    @property
    def is_wanted(self) -> bool:
        """Whether Codex is who decides, once it can be reached."""
        return self._context.config.codex_enabled and self._ready

    def look(self, now_s: float) -> None:
        """See whether a login came or went; a new one ends a rest."""
        if not self._look.due(now_s):
            return
        self._ready = is_ready(self.home, self._context.environment)
        login = files.signature(self.home / "auth.json")
        if self._login_seen not in (None, login) and login is not None:
            self._context.ledger.record("agent_back", agent=CODEX, role=None)
        self._login_seen = login or ()
        if self.is_wanted:
            self._find()

    def resting(self, role: Role) -> Rest | None:
        """Return why Codex is not asked in that role now; None when it may be."""
        context = self._context
        if not self.is_wanted:  # since the cycle was opened for it
            return Rest(sentence="it is switched off, or nobody is logged in any more")
        use, now = context.ledger.state.agent_use, context.clock.utc_now()
        if (spent := rest_reason(use, Budget.of(context.config), now)) is not None:
            return Rest(sentence=spent.sentence)
        outage = resting(use.outages, CODEX, role.value, now)
        if outage is None:
            return None
        left_s = outage.wait_left_s(now)
        until = utc_text(now + timedelta(seconds=left_s))
        return Rest(sentence=f"{outage.cause} until {until} ({outage.message})", is_short=left_s <= _SHORT_REST_S)

    def model(self, role: Role) -> str | None:
        """Return the model that the configuration names for a role; None is the client's own choice."""
        config = self._context.config
        return config.model if role is Role.WORKER else config.mentor_model

    # ------------------------------------------------------------ the sandbox

    def is_set_up(self, now_s: float) -> bool:
        """Tell whether a call can be made; where the sandbox was never tried for this client, have that done."""
        self._find()
        if self._binary is None:
            return True  # the call will say what is missing
        jobs, pin, store = self._context.jobs, self._pin(), self._context.paths.loop / STORE
        if not jobs.is_open(_TRIAL):
            self.sandbox = stored_choice(store, pin, self._binary.path)
            if self.sandbox is not None:
                return True
            self._open_trial(pin, store)
            return False
        outcome = jobs.take(_TRIAL, now_s)
        if outcome is None:
            return False
        if outcome.answer is None:
            reason = f"the sandboxes could not be tried: {outcome.why}"
            tried = utc_text(self._context.clock.utc_now())
            self._choose(SandboxChoice(mode=READ_ONLY, reason=reason, conclusive=False, tried_utc=tried), pin)
        else:
            self._choose(SandboxChoice.from_json(outcome.answer), pin)
        return True

    def _open_trial(self, pin: Pin, store: Path) -> None:
        assert self._binary is not None
        with suppress(FileWriteError, OSError):
            ensure_home(self.home)
        question = {
            "binary": str(self._binary.path),
            "home": str(self.home),
            "store": str(store),
            "sandbox_mode": pin.mode,
            "windows_sandbox": pin.windows_sandbox,
        }
        self._context.jobs.open(_TRIAL, "llm_loop.agents.sandbox_trial", question, _TRIAL_DEADLINE_S)

    def distrust_sandbox(self) -> None:
        """Go down to read-only: in a call everything that Codex tried to do failed, whatever the trial said."""
        choice = self.sandbox
        if choice is None or choice.mode == READ_ONLY:
            return
        reason = f"in a call every command or patch failed in {choice.mode}, although the trial had worked"
        mend = "run `llm-loop doctor`; edits come with the answers meanwhile"
        self._choose(SandboxChoice(mode=READ_ONLY, reason=reason, mend=mend), self._pin())

    def _choose(self, choice: SandboxChoice, pin: Pin) -> None:
        self.sandbox = choice
        if self._binary is not None:
            with suppress(FileWriteError):  # then it is tried again at the next start
                keep_choice(self._context.paths.loop / STORE, pin, self._binary.path, choice)
        self._context.ledger.record(
            "sandbox_chosen",
            mode=choice.mode,
            windows_sandbox=choice.windows_sandbox,
            reason=choice.reason,
            mend=choice.mend,
        )

    def _pin(self) -> Pin:
        config = self._context.config
        return Pin(mode=config.sandbox_mode.value, windows_sandbox=config.windows_sandbox.value)

    # ------------------------------------------------------------ the client

    def _find(self) -> None:
        barred = [self._context.paths.checkouts, self._context.config.training_repo_root]
        try:
            self._binary, self._missing = find_codex(self._context.environment, barred), None
        except CommandError as error:
            self._binary, self._missing = None, str(error)

    def missing_binary(self, message: str) -> CallReport:
        """Return the report of a call that could not be made for want of the client."""
        return CallReport(failure=CallFailure(cause=FailureCause.BINARY_MISSING, message=message))

    def request(self, role: Role, plan: Plan, call_id: str) -> Mapping[str, Any]:
        """Return what the child of a call is told. Raises CommandError when there is no client."""
        if self._binary is None:
            raise CommandError(self._missing or "no Codex found")
        context, config = self._context, self._context.config
        worker = role is Role.WORKER
        choice = self.sandbox
        settings = CodexSettings(
            binary=self._binary.path,
            home=self.home,
            model=self.model(role),
            reasoning_effort=config.reasoning_effort if worker else config.mentor_reasoning_effort,
            web_search_mode=config.web_search_mode if worker else config.mentor_web_search_mode,
            network_access=config.network_access_enabled if worker else config.mentor_network_access_enabled,
            skip_git_repo_check=True,  # a checkout has no .git
            sandbox_mode=READ_ONLY if choice is None or not worker else choice.mode,
            windows_sandbox=None if choice is None else choice.windows_sandbox,
            mcp=sdk_is_there(),
        )
        code = None if plan.accepted is None else plan.accepted.get("code")
        empty = context.paths.call(call_id) / EMPTY
        return CodexRequest(
            role=role,
            codex=settings,
            tag=call_id,
            timeout_s=config.codex_timeout_seconds,
            prompt_max_chars=config.prompt_max_chars,
            display_name=config.worker_display_name if worker else config.mentor_display_name,
            working_folder=empty if code is None else context.paths.checkout(code["checkout"]),
            checkout=checkout_question(context, call_id, context.ledger.state.runs.get(plan.repairs or ""))
            if worker
            else None,
            keep_out=(config.sealed_root,),
        ).to_json()

    # ------------------------------------------------------------ for people

    def words(self) -> str:
        """Return who decides at present."""
        if not self.is_wanted:
            return "built-in planner"
        if (rest := self.resting(Role.WORKER)) is not None:
            return f"built-in planner, while Codex rests: {rest.sentence}"
        return f"Codex ({self._context.config.model or 'its own default model'})"
