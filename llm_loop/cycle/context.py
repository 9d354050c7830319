"""What every part of a cycle works with: one workspace, one configuration, one ledger."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.agents.agent import BUILTIN, CODEX, COMMAND, Agent, Calls
from llm_loop.config import Config
from llm_loop.contract.context import FinishUp
from llm_loop.contract.observation import Role
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.codex_desk import CodexDesk
from llm_loop.cycle.device_desk import DeviceDesk
from llm_loop.cycle.ledger import Ledger
from llm_loop.cycle.place_watch import PlaceWatch
from llm_loop.memory.state import Plan
from llm_loop.repairs.allowed import Sources, sources_of
from llm_loop.repairs.declared import declared_requirements
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.system.clock import Clock
from llm_loop.system.jobs import Jobs

FAREWELL, PAUSE = "farewell", "pause"
"""Among the holds: the loop is about to end; a person has paused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """Hold what the finish-up leaves to decide, as of this tick.

    ``is_search_over``: the window has opened, and nothing of the search goes on; then ``wants_round`` says whether a
    final training is to be decided, ``may_ask_models`` whether by a model, ``call_seconds`` how long such a call may
    take, and ``training_s`` how long a training that begins now. ``told`` is what worker and mentor are told, None
    while nothing is wished.
    """

    is_search_over: bool = False
    wants_round: bool = False
    may_ask_models: bool = True
    call_seconds: float | None = None
    training_s: float | None = None
    told: FinishUp | None = None


@dataclass(kw_only=True)
class Context:
    """Hold what the lanes share. ``config`` is replaced when its file changes.

    ``accepts_cycles`` is False once the loop shall end: nothing new is decided or launched.
    ``last_cycle`` is the number of the last cycle that is opened, None for no end; ``search_over`` why there is nothing
    left to search, although the loop goes on to finish up.
    ``holds`` are the reasons, by their source, for which nothing is launched at present, ``last_hour`` is what the
    finish-up leaves to decide. ``jobs`` does slow work,
    ``codex`` knows whether Codex can be asked, ``devices`` where the next run has room,
    ``places`` whether the folders are there that trainings need.
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
    search_over: str | None = None
    holds: dict[str, str] = field(default_factory=dict)
    last_hour: LastHour = LastHour()
    codex: CodexDesk = field(init=False)
    devices: DeviceDesk = field(init=False)
    places: PlaceWatch = field(init=False)
    _declared: dict[Path, tuple[str, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.codex = CodexDesk(self)
        self.devices = DeviceDesk(self)
        self.places = PlaceWatch(self)
        self.declared()

    def declared(self) -> tuple[str, ...]:
        """Return what the training repository asked for when the loop was started.

        What is added later may be a run's own doing, which its next decision would then ask for: only a person starts
        the loop anew.
        """
        root = self.config.training_repo_root
        if root not in self._declared:
            self._declared[root] = declared_requirements(root)
        return self._declared[root]

    def package_sources(self) -> Sources:
        """Return who may name packages that are installed into the training environment."""
        return sources_of(self.config, self.declared())

    def agent(self, name: str, role: Role, plan: Plan, call_id: str) -> Agent:
        """Return how the agent of that name is asked in that role. Raises CommandError when Codex is not there."""
        config = self.config
        command = config.worker_command if role is Role.WORKER else config.mentor_command
        deadline_s = min(config.codex_timeout_seconds, self.last_hour.call_seconds or math.inf)
        if name == COMMAND and command is not None:
            return Agent(name=COMMAND, command=command, deadline_s=deadline_s)
        if name == CODEX:
            request = self.codex.request(role, plan, call_id)
            return Agent(name=CODEX, request=request, deadline_s=deadline_s)
        return Agent(name=BUILTIN, deadline_s=config.planner_timeout_seconds)

    def first_agent(self, role: Role) -> str:
        """Return who is asked first in that role."""
        command = self.config.worker_command if role is Role.WORKER else self.config.mentor_command
        if not self.last_hour.may_ask_models:
            return BUILTIN
        if command is not None:
            return COMMAND
        return CODEX if self.codex.is_wanted else BUILTIN

    def can_mend(self) -> bool:
        """Tell whether Codex can be asked to mend a run: the built-in planner and programs edit no code for that."""
        is_last = self.last_cycle is not None and self.ledger.state.cycle >= self.last_cycle
        is_there = self.first_agent(Role.WORKER) == CODEX and self.accepts_cycles and not is_last
        return is_there and not self.last_hour.is_search_over and self.codex.resting(Role.WORKER) is None

    def is_asked(self, role: Role) -> bool:
        """Tell whether anybody is asked in that role."""
        return role is Role.WORKER or self.config.mentor_enabled

    def worker_name(self) -> str:
        """Return who decides at present, for people."""
        command = self.config.worker_command
        return self.codex.words() if command is None else f"command: {command}"
