"""Carry out a mend that changes settings: words of the command, or values in a copy of its config file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_loop.contract.mend import Mend
from llm_loop.contract.run import Run
from llm_loop.cycle.asked_jobs import AskedJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.procedure.facts import RUN_DIR, config_file
from llm_loop.errors import CommandError
from llm_loop.repairs.command_change import with_config
from llm_loop.repairs.config_copy import copy_name
from llm_loop.runs.command import choose_shell
from llm_loop.system import files
from llm_loop.system.clock import utc_stamp

_MODULE = "llm_loop.repairs.config_copy"
_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """Hold the new command, None where there is none, and a sentence of what was done."""

    command: str | None
    outcome: str


class ConfigPatch:
    """Make patched copies of config files; a source is never changed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs = AskedJobs(context.jobs, _MODULE, _DEADLINE_S)

    def apply(self, run: Run, mend: Mend, now_s: float) -> Patched | None:
        """Return what a mend of settings comes to; None while the copy is made. Raises FileWriteError."""
        command = mend.command or run.command
        if not mend.changes:
            return Patched(command=command, outcome=mend.why)
        shell, config_path = choose_shell(self._context.config.run_shell), mend.config_path or ""
        source, text = config_file(run, self._context.config, shell)
        if text is not None:
            source = self._context.paths.repairs / f"{run.run_id}-{config_path.removeprefix(RUN_DIR)}"
        if source is None:
            return Patched(command=None, outcome=f"the config was not copied: {config_path} is no file of this run")

        def question() -> dict[str, Any]:
            if text is not None:  # as the decision carries it, whatever lies there by now
                files.replace_text(source, text, durable=False)
            stamp = utc_stamp(self._context.clock.utc_now())
            name = copy_name(stamp, run.label, config_path, mend.subject or mend.kind.value)
            target = self._context.paths.autofix_configs / name
            return {
                "source": str(source),
                "target": str(target),
                "changes": dict(mend.changes),
            }

        asked = self._jobs.ask(f"{run.run_id}-{len(run.procedure.mends)}-config", question, now_s)
        if asked is None:
            return None
        answer = asked.answer or {}
        copy = answer.get("path")
        if not isinstance(copy, str):
            return Patched(command=None, outcome=f"the config was not copied: {answer.get('why') or asked.why}")
        try:
            new = with_config(command, shell, copy)
        except CommandError:
            new = None
        said = mend.why if new is not None else "the command cannot name the patched config file"
        return Patched(command=new, outcome=said)

    def forget_unasked(self, now_s: float) -> None:
        """Forget the answers that nobody has asked for since the last time."""
        self._jobs.forget_unasked(now_s)
