"""Give the gate what it needs to judge a decision: the policy as it stands, the runs there are, the code it changes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.command_policy import CommandPolicy
from llm_loop.contract.decision import Decision
from llm_loop.contract.run import RunState
from llm_loop.cycle.context import Context
from llm_loop.cycle.run_code import runs_in_checkout
from llm_loop.errors import ConfigError
from llm_loop.repairs.allowed import NOBODY
from llm_loop.runs.command import choose_shell
from llm_loop.stages import gate
from llm_loop.system import files


class Judge:
    """Judge decisions by the policy file, of which a broken edit does not count."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_policy: CommandPolicy | None = None
        self._refused_policy: object = ()

    def judge(self, decision: Decision, code: CodeChange | None) -> gate.Verdict:
        """Return the gate's verdict. Raises ConfigError when there is no policy, and never was a good one."""
        context, state = self._context, self._context.ledger.state
        config = context.config
        active = state.in_state(RunState.RUNNING, RunState.QUEUED)
        in_checkout = code is not None and runs_in_checkout(code, config.code_isolation)
        usable = {run_id for run_id in decision.builds_on if context.memory.has_result(run_id)}
        return gate.judge(
            decision,
            gate.GateContext(
                workspace=context.paths.root,
                training_repo_root=config.training_repo_root,
                sealed_root=config.sealed_root,
                forbidden_approaches=config.forbidden_approaches,
                policy=self._policy(),
                shell=choose_shell(config.run_shell),
                known_run_ids=frozenset(state.runs) | usable,
                active_run_ids=tuple(run.run_id for run in active),
                code=code,
                checkout=context.paths.checkout(code.checkout) if code is not None and in_checkout else None,
                isolation=config.code_isolation,
                sources=context.package_sources() if decision.install_packages else NOBODY,
            ),
        )

    def _policy(self) -> CommandPolicy:
        """Return the command policy; a broken edit is an event, and the last good one stays. Raises ConfigError."""
        path = self._context.config.command_policy
        signature = files.signature(path)
        try:
            self._last_policy = _read_policy(path, signature)
        except ConfigError as error:
            if self._last_policy is None:
                raise
            if signature != self._refused_policy:
                self._refused_policy = signature
                self._context.ledger.record("config_refused", why=str(error), kept="the last good command policy")
        return self._last_policy


@lru_cache(maxsize=2)
def _read_policy(path: Path, signature: tuple[int, int] | None) -> CommandPolicy:
    """Read the command policy once for as long as its file stands as it is. Raises ConfigError."""
    return gate.load_policy(path)
