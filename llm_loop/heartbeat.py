"""The heartbeat, ``daemon_heartbeat.json``: what the daemon does right now, for views that read files alone."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_loop import __version__
from llm_loop.agents.codex_home import is_ready
from llm_loop.contract.observation import Role
from llm_loop.cycle import Cycle
from llm_loop.cycle.machine_watch import MachineWatch
from llm_loop.errors import FileWriteError
from llm_loop.system import files, processes
from llm_loop.system.clock import utc_text

HEARTBEAT_S = 2.0


@dataclass(slots=True)
class TickFigures:
    """Count ticks and what they cost, in seconds."""

    count: int = 0
    spent_s: float = 0.0
    slowest_s: float = 0.0

    def add(self, spent_s: float) -> None:
        """Take in one tick."""
        self.count += 1
        self.spent_s += spent_s
        self.slowest_s = max(self.slowest_s, spent_s)


class Heartbeat:
    """Write the heartbeat of the daemon that makes this: its process and its start stand in it."""

    def __init__(self, cycle: Cycle, machine: MachineWatch, config_path: Path) -> None:
        self._cycle, self._machine, self._config_path = cycle, machine, config_path
        self._started_utc = utc_text(cycle.context.clock.utc_now())
        self._identity = processes.identity_of(os.getpid())

    def beat(self, now_s: float, *, status: str, reason: str | None, error: str | None, ticks: TickFigures) -> None:
        """Write the heartbeat, on a full disk too; what refuses it is told to the machine watch.

        ``now_s`` is monotonic; ``status`` is running, ending or stopped, ``reason`` why it ends, ``error`` what fails
        at present.
        """
        refused: FileWriteError | None = None
        try:
            value = self._value(now_s, status, reason, error, ticks)
            files.replace_json_on_full_disk(self._cycle.context.paths.heartbeat, value)
        except FileWriteError as caught:  # the next one comes in two seconds
            refused = caught
        self._machine.take_beat(refused)

    def _value(
        self, now_s: float, status: str, reason: str | None, error: str | None, ticks: TickFigures
    ) -> dict[str, Any]:
        context, slots = self._cycle.context, self._cycle.slots
        state = context.ledger.state
        return {
            "schema_version": 1,
            "daemon_status": status,
            "run_id": context.config.run_id,
            "pid": os.getpid(),
            "version": __version__,
            "started_utc": self._started_utc,
            "updated_utc": utc_text(context.clock.utc_now()),
            "updated_awake_s": round(now_s, 3),
            "identity": self._identity,
            "phase": self._cycle.phase(),
            "cycle": state.cycle,
            "cycles_closed": state.cycles_closed,
            "reason": reason,
            "holds": dict(context.holds),
            "held_back": slots.pauses.resting(),
            **self._machine.to_json(),
            "waiting_for": slots.waiting_for(),
            "devices": context.devices.to_json(),
            "runs": slots.progress(now_s),
            "slots": context.config.max_parallel_runs,
            "idle_fraction": state.slot_use.idle_fraction(),
            "slot_use": [asdict(one) for one in state.slot_use.figures()],
            "best": context.memory.best(),
            "codex_login": is_ready(context.paths.codex_home, context.environment),
            "worker": context.worker_name(),
            "agents": {role.value: context.first_agent(role) for role in Role if context.is_asked(role)},
            "sandbox": None if context.codex.sandbox is None else context.codex.sandbox.to_json(),
            "error": error,
            "ticks": ticks.count,
            "tick_seconds": round(ticks.spent_s, 4),
            "slowest_tick_seconds": round(ticks.slowest_s, 4),
            "cpu_seconds": round(time.process_time(), 3),
            "config_path": str(self._config_path),
        }
