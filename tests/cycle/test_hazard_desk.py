"""Memory or disk nearly full while runs train: one run at a time is asked to end, launches are held."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_loop.contract.run import Run
from llm_loop.cycle.hazard_desk import HazardDesk
from llm_loop.stages.hazards import Look
from llm_loop.system.memory import HostMemory
from tests.views.workspace_builder import WorkspaceBuilder

MIB = 1024**2
FULL = Look(memory=HostMemory(total_bytes=16_000 * MIB, available_bytes=100 * MIB), disk_free_bytes=10**12)
FINE = Look(memory=HostMemory(total_bytes=16_000 * MIB, available_bytes=9_000 * MIB), disk_free_bytes=10**12)
NO_DISK = Look(memory=FINE.memory, disk_free_bytes=100_000_000)


class Machine:
    """Hold a desk, what it sees, and what it asked for."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.builder = WorkspaceBuilder(root)
        self.look = FINE
        self.asked: list[tuple[str, str]] = []
        self.sizes: dict[int, int] = {}
        self.now_s = 1000.0
        self.desk = HazardDesk(self.builder.context, self.request_stop, lambda: self.look)
        monkeypatch.setattr("llm_loop.cycle.hazard_desk.tree_bytes", lambda pid: self.sizes.get(pid))

    def request_stop(self, run: Run, reason: str) -> None:
        self.asked.append((run.run_id, reason))
        self.builder.ledger.record("stop_requested", run_id=run.run_id, reason=reason)

    def train(self, label: str, pid: int, bytes_held: int) -> Run:
        run = self.builder.stage(label)
        self.builder.launch(run, pid)
        self.sizes[pid] = bytes_held
        self.see(FINE)
        return run

    def see(self, look: Look, seconds: int = 1) -> None:
        self.look = look
        for _ in range(seconds):
            self.now_s += 1.0
            self.desk.tick(self.now_s)
            self.desk.tick(self.now_s + 0.1)

    def events(self, kind: str) -> int:
        return sum(event["event"] == kind for event in self.builder.ledger.journal.after(0))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_largest_run_ends_when_memory_stays_nearly_full(machine: Machine) -> None:
    machine.train("a", 11, 5 * MIB)
    machine.train("b", 12, 900 * MIB)
    machine.see(FULL, 2)
    assert machine.asked == []
    machine.see(FULL)
    assert machine.asked == [("R0002", "host_memory")]


def test_one_run_at_a_time_and_the_next_only_when_that_did_not_help(machine: Machine) -> None:
    machine.train("a", 11, 5 * MIB)
    second = machine.train("b", 12, 900 * MIB)
    machine.see(FULL, 30)
    assert len(machine.asked) == 1, "the memory of the one that was asked comes back first"
    machine.builder.end(second, None, state="failed")
    machine.see(FULL, 2)
    assert machine.asked[1:] == [("R0001", "host_memory")]


def test_relief_ends_the_hold_and_asks_nobody(machine: Machine) -> None:
    holds = machine.builder.context.holds
    machine.train("a", 11, 5 * MIB)
    machine.see(FULL, 2)
    assert "104 MB of this machine's memory are free" in holds["memory"]
    machine.see(FINE)
    machine.see(FULL, 2)
    machine.see(FINE)
    assert machine.asked == [] and "memory" not in holds
    assert (machine.events("memory_short"), machine.events("memory_free_again")) == (2, 2)


def test_launches_are_held_although_nothing_runs(machine: Machine) -> None:
    machine.see(FULL, 10)
    assert machine.asked == [] and "memory" in machine.builder.context.holds


def test_the_youngest_run_ends_before_the_disk_is_full(machine: Machine) -> None:
    machine.train("a", 11, 900 * MIB)
    machine.see(FINE, 60)
    machine.train("b", 12, 5 * MIB)
    machine.see(NO_DISK, 3)
    assert machine.asked == [("R0002", "disk_full")] and machine.builder.context.holds == {}


def test_a_real_look_at_this_machine_is_harmless(machine: Machine) -> None:
    machine.train("a", 11, 1)
    desk = HazardDesk(machine.builder.context, machine.request_stop)
    for second in range(5):
        desk.tick(2000.0 + second)
    assert machine.asked == []
