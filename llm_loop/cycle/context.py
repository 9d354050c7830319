"""What every part of a cycle works with: one workspace, one configuration, one ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_loop.agents.agent import BUILTIN, COMMAND, Agent, Calls
from llm_loop.config import Config
from llm_loop.contract.observation import Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.ledger import Ledger
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.system.clock import Clock


@dataclass(kw_only=True)
class Context:
    """Hold what the lanes share. ``config`` is replaced when its file changes.

    ``accepts_cycles`` is False once the loop shall end: nothing new is decided or launched.
    ``last_cycle`` is the number of the last cycle that is opened, None for no end.
    ``holds`` are the reasons, by their source, for which nothing is launched at present.
    """

    paths: WorkspacePaths
    config: Config
    clock: Clock
    ledger: Ledger
    memory: Memory
    engine: LocalEngine
    calls: Calls
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    accepts_cycles: bool = True
    last_cycle: int | None = None
    holds: dict[str, str] = field(default_factory=dict)

    def agent(self, name: str, role: Role) -> Agent:
        """Return how the agent of that name is asked in that role."""
        config = self.config
        command = config.worker_command if role is Role.WORKER else config.mentor_command
        if name == COMMAND and command is not None:
            return Agent(name=COMMAND, command=command, deadline_s=config.codex_timeout_seconds)
        return Agent(name=BUILTIN, command=None, deadline_s=config.planner_timeout_seconds)

    def first_agent(self, role: Role) -> str:
        """Return who is asked first in that role."""
        command = self.config.worker_command if role is Role.WORKER else self.config.mentor_command
        return BUILTIN if command is None else COMMAND

    def worker_name(self) -> str:
        """Return who decides at present, for people."""
        command = self.config.worker_command
        return "built-in planner" if command is None else f"command: {command}"
