"""The Codex client, its login, its sandbox: what a night with Codex needs, and how each is mended."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_loop.agents.codex_binary import CodexBinary, find_codex
from llm_loop.agents.codex_home import is_ready
from llm_loop.agents.codex_login import OLDEST, LoginStatus
from llm_loop.agents.sandbox_choice import FULL_ACCESS, READ_ONLY, STORE, Pin, SandboxChoice
from llm_loop.agents.sandbox_trial import choose_sandbox
from llm_loop.checks.check import Check, notice, ok, problem
from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CommandError, FileWriteError
from llm_loop.system.short_run import run_short

_VERSION_S = 20.0
_WITHOUT = "; to go without Codex, set codex_enabled to false"
_INSTALL = f"`llm-loop login --install-cli`, or: npm install -g @openai/codex{_WITHOUT}"


def is_asked(config: Config) -> bool:
    """Tell whether Codex is asked at all by this configuration."""
    mentor = config.mentor_enabled and config.mentor_command is None
    return config.codex_enabled and (config.worker_command is None or mentor)


def check_client(config: Config, paths: WorkspacePaths, environ: Mapping[str, str]) -> tuple[CodexBinary | None, Check]:
    """Look for the client; return it when it can be used."""
    try:
        codex = find_codex(environ, exclude=(paths.checkouts, config.training_repo_root))
        ended = run_short([str(codex.path), "--version"], deadline_s=_VERSION_S)
    except CommandError as error:
        return None, problem("codex", str(error).partition(":")[0], _INSTALL)
    said = ended.stdout.strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if ended.exit_code != 0 or found is None:
        return None, problem("codex", f"{codex.path} does not say its version", _INSTALL)
    if (int(found[1]), int(found[2])) < tuple(int(part) for part in OLDEST.split(".")):
        return None, problem("codex", f"{said} is older than {OLDEST} ({codex.path})", _INSTALL)
    return codex, ok("codex", f"{said} ({codex.path}, by {codex.origin})")


def login_check(status: LoginStatus, paths: WorkspacePaths, environ: Mapping[str, str]) -> Check:
    """Say what the client's word on its login means; whether the login is still valid, only a call knows."""
    if status.logged_in:
        how = {"api_key": "an API key", "chatgpt": "a ChatGPT account"}.get(status.how or "", "a login")
        return ok("codex login", f"{how} is kept in {paths.codex_home}; only a call knows whether it is valid")
    if is_ready(paths.codex_home, environ):
        return ok("codex login", "none, and none is needed: another provider or a key of the environment is used")
    return problem("codex login", "not logged in: the built-in planner decides", f"`llm-loop login`{_WITHOUT}")


def check_sandbox(codex: CodexBinary, config: Config, paths: WorkspacePaths, *, may_set_up: bool) -> Check:
    """Try the sandboxes with the real client, now, and keep the choice for the next calls."""
    pin = Pin(mode=config.sandbox_mode.value, windows_sandbox=config.windows_sandbox.value)
    store = paths.loop / STORE
    try:
        choice = choose_sandbox(pin, codex.path, paths.codex_home, store, may_set_up=may_set_up, afresh=True)
    except (CommandError, FileWriteError, OSError) as error:
        mend = f"see that files can be written in {store.parent}, and that {codex.path} starts"
        return problem("codex sandbox", f"it cannot be tried: {error}", mend)
    return sandbox_check(choice, pin)


def sandbox_check(choice: SandboxChoice, pin: Pin) -> Check:
    """Say what a choice means for Codex."""
    name = choice.mode if choice.windows_sandbox is None else f"{choice.mode} ({choice.windows_sandbox})"
    said = "; ".join([f"{name}: {choice.reason}", *choice.refused])
    if choice.mode == FULL_ACCESS:
        return notice("codex sandbox", f"{said}; what Codex runs has all your rights", "set sandbox_mode to auto")
    mend = choice.mend or "set sandbox_mode to auto in the configuration, then `llm-loop doctor`"
    if choice.confines is False:
        return problem("codex sandbox", said, mend)
    if choice.can_run and (choice.can_edit or pin.mode == READ_ONLY):
        return ok("codex sandbox", said)
    return problem("codex sandbox", said, mend)
