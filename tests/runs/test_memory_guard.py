"""Where the next run goes, and what a second one waits for."""

from __future__ import annotations

from typing import Any

import pytest

from llm_loop.runs.devices import Device
from llm_loop.runs.memory_guard import Need, Occupant, place
from llm_loop.system.memory import HostMemory
from tests.runs.cards import GIB, device

ROOMY = HostMemory(total_bytes=64 * GIB, available_bytes=60 * GIB)
SMALL = Need(host_bytes=GIB, device_bytes=GIB)


def runs(run_id: str, on: Device | None = None, **changes: Any) -> Occupant:
    """Return a run that has trained for an hour."""
    told = {"need": SMALL, "age_s": 3600.0, "age_at_reading_s": 3590.0} | changes
    return Occupant(run_id=run_id, device=None if on is None else on.name, **told)


# ---------------------------------------------------------------- which device


def test_without_devices_a_run_starts_without_one() -> None:
    assert place(SMALL, [], [], ROOMY) == place(SMALL, [runs("R1")], [], ROOMY)
    assert place(SMALL, [], [], None).device is None


def test_runs_are_spread_over_the_devices() -> None:
    zero, one, two = device(0), device(1), device(2)
    devices, there = [zero, one, two], []
    given = []
    for number in range(6):
        found = place(SMALL, there, devices, ROOMY)
        assert found.waits_for is None
        given.append(found.device)
        there.append(Occupant(run_id=f"R{number}", device=found.device, need=SMALL, age_s=3600, age_at_reading_s=3600))
    assert given == [zero.name, one.name, two.name] * 2, "more runs than devices share them"


@pytest.mark.parametrize("busy", [{"utilization": 0.9}, {"memory_used_bytes": 40 * GIB}])
def test_of_devices_without_a_run_the_least_busy_comes_first(busy: dict[str, Any]) -> None:
    zero, one = device(0, **busy), device(1)
    assert place(SMALL, [], [zero, one], ROOMY).device == one.name
    assert place(SMALL, [runs("R1", one)], [zero, one], ROOMY).device == zero.name, "the number of our runs comes first"


def test_a_run_that_was_launched_under_another_name_of_its_device_counts() -> None:
    zero, one = device(0), device(1)
    adopted = Occupant(run_id="R1", device="0", need=SMALL, age_s=3600, age_at_reading_s=3600)
    assert place(SMALL, [adopted], [zero, one], ROOMY).device == one.name


def test_a_device_of_which_nothing_is_told_is_used_all_the_same() -> None:
    part = Device(name="MIG-1")
    assert place(SMALL, [runs("R1", part)], [part], ROOMY).device == "MIG-1"


# ---------------------------------------------------------------- the first run always starts


def test_the_first_run_starts_whatever_the_memory() -> None:
    full = device(0, memory_used_bytes=80 * GIB)
    nothing = HostMemory(total_bytes=64 * GIB, available_bytes=0)
    huge = Need(host_bytes=500 * GIB, device_bytes=500 * GIB)
    found = place(huge, [], [full], nothing)
    assert (found.device, found.waits_for) == (full.name, None)
    roomier = device(1, memory_used_bytes=GIB)
    assert place(Need(device_bytes=70 * GIB), [], [full, roomier], ROOMY).device == roomier.name


# ---------------------------------------------------------------- memory of the machine


def test_a_second_run_waits_for_memory_of_the_machine() -> None:
    host = HostMemory(total_bytes=64 * GIB, available_bytes=10 * GIB)
    assert place(Need(host_bytes=8 * GIB), [runs("R1")], [], host).waits_for is None
    words = place(Need(host_bytes=9 * GIB), [runs("R1")], [], host).waits_for
    assert words is not None and "this machine has 10.7 GB of memory free" in words and "10.6 GB for the run" in words


def test_what_a_young_run_will_take_is_kept_for_it() -> None:
    host = HostMemory(total_bytes=64 * GIB, available_bytes=30 * GIB)
    need = Need(host_bytes=10 * GIB)
    young = runs("R1", need=Need(host_bytes=20 * GIB), age_s=5.0)
    grown = runs("R1", need=Need(host_bytes=20 * GIB), age_s=120.0)
    assert "began a moment ago" in (place(need, [young], [], host).waits_for or "")
    assert place(need, [grown], [], host).waits_for is None


def test_an_unknown_need_leaves_a_reserve_only() -> None:
    tight = HostMemory(total_bytes=64 * GIB, available_bytes=GIB - 1)
    assert place(Need(), [runs("R1", need=Need())], [], tight).waits_for is not None
    small_machine = HostMemory(total_bytes=4 * GIB, available_bytes=GIB // 4)
    assert place(Need(), [runs("R1", need=Need())], [], small_machine).waits_for is None
    assert place(Need(), [runs("R1", need=Need())], [], None).waits_for is None


# ---------------------------------------------------------------- memory of a device


def test_a_second_run_on_a_device_waits_until_it_would_fit() -> None:
    used = device(0, memory_used_bytes=50 * GIB)
    there = [runs("R1", used, need=Need(device_bytes=50 * GIB))]
    assert place(Need(device_bytes=26 * GIB), there, [used], ROOMY).device == used.name
    words = place(Need(device_bytes=30 * GIB), there, [used], ROOMY).waits_for
    assert words is not None and words.startswith("device 0 (NVIDIA H100) has 32.2 GB of memory free")


def test_it_goes_to_another_device_that_holds_it() -> None:
    zero, one = device(0, memory_used_bytes=70 * GIB), device(1, memory_used_bytes=70 * GIB)
    roomy = device(2, memory_used_bytes=20 * GIB)
    there = [runs("R1", roomy), runs("R2", roomy)]
    need = Need(device_bytes=40 * GIB)
    assert place(need, there, [zero, one, roomy], ROOMY).device == roomy.name
    assert place(need, there, [zero, one], ROOMY).waits_for is not None, "others fill those; ours end sometime"


def test_a_run_that_came_after_the_reading_is_counted_whole() -> None:
    empty = device(0)
    need = Need(device_bytes=40 * GIB)
    after = runs("R1", empty, need=need, age_s=20.0, age_at_reading_s=-15.0)
    assert place(need, [after], [empty], ROOMY).waits_for is not None
    assert place(Need(device_bytes=30 * GIB), [after], [empty], ROOMY).device == empty.name


def test_what_the_first_run_of_all_needs_is_awaited_once() -> None:
    zero = device(0, memory_used_bytes=10 * GIB)
    young = runs("R1", zero, need=Need(), age_s=12.0, age_at_reading_s=10.0, seen_bytes=10 * GIB)
    assert "how much of its memory R1 needs" in (place(Need(), [young], [zero], ROOMY).waits_for or "")
    seen = runs("R1", zero, need=Need(), age_s=45.0, age_at_reading_s=40.0, seen_bytes=10 * GIB)
    assert place(Need(), [seen], [zero], ROOMY).device == zero.name
    greedy = runs("R1", zero, need=Need(), age_s=600.0, age_at_reading_s=590.0, seen_bytes=70 * GIB)
    full = device(0, memory_used_bytes=70 * GIB)
    assert place(Need(), [greedy], [full], ROOMY).waits_for is not None, "the next one will need as much"


def test_the_wait_for_a_reading_that_never_comes_ends() -> None:
    zero = device(0, memory_used_bytes=10 * GIB)
    blind = runs("R1", zero, need=Need(), age_s=61.0, age_at_reading_s=-600.0)
    assert place(Need(), [blind], [zero], ROOMY).device == zero.name
