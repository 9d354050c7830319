"""What every part of a cycle works with: one workspace, one configuration, one ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_loop.agents.agent import BUILTIN, CODEX, COMMAND, Agent, Calls
from llm_loop.config import Config
from llm_loop.contract.observation import Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.codex_desk import CodexDesk
from llm_loop.cycle.device_desk import DeviceDesk
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.state import Plan
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.system.clock import Clock
from llm_loop.system.jobs import Jobs


@dataclass(kw_only=True)
class Context:
    """Hold what the lanes share. ``config`` is replaced when its file changes.

    ``accepts_cycles`` is False once the loop shall end: nothing new is decided or launched.
    ``last_cycle`` is the number of the last cycle that is opened, None for no end.
    ``holds`` are the reasons, by their source, for which nothing is launched at present. ``jobs`` does slow work,
    ``codex`` knows whether Codex can be asked, ``devices`` where the next run has room.
    """

    paths: WorkspacePaths
    config: Config
    clock: Clock
    ledger: Ledger
    memory: Memory
    engine: LocalEngine
    calls: Calls
    jobs: Jobs
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    accepts_cycles: bool = True
    last_cycle: int | None = None
    holds: dict[str, str] = field(default_factory=dict)
    codex: CodexDesk = field(init=False)
    devices: DeviceDesk = field(init=False)

    def __post_init__(self) -> None:
        self.codex = CodexDesk(self)
        self.devices = DeviceDesk(self)

    def agent(self, name: str, role: Role, plan: Plan, call_id: str) -> Agent:
        """Return how the agent of that name is asked in that role. Raises CommandError when Codex is not there."""
        config = self.config
        command = config.worker_command if role is Role.WORKER else config.mentor_command
        if name == COMMAND and command is not None:
            return Agent(name=COMMAND, command=command, deadline_s=config.codex_timeout_seconds)
        if name == CODEX:
            request = self.codex.request(role, plan, call_id)
            return Agent(name=CODEX, request=request, deadline_s=config.codex_timeout_seconds)
        return Agent(name=BUILTIN, deadline_s=config.planner_timeout_seconds)

    def first_agent(self, role: Role) -> str:
        """Return who is asked first in that role."""
        command = self.config.worker_command if role is Role.WORKER else self.config.mentor_command
        if command is not None:
            return COMMAND
        return CODEX if self.codex.is_wanted else BUILTIN

    def is_asked(self, role: Role) -> bool:
        """Tell whether anybody is asked in that role."""
        return role is Role.WORKER or self.config.mentor_enabled

    def worker_name(self) -> str:
        """Return who decides at present, for people."""
        command = self.config.worker_command
        return self.codex.words() if command is None else f"command: {command}"
