"""The devices of the slots, and what runs wait for, as the heartbeat tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_loop.views.condition import DaemonStatus
from llm_loop.views.untrusted import dict_of, list_of, number_of, text_of, texts_of, whole_of

_MOST_DEVICES = 64
_GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Hold one device of the slots: as runs are given it, as its driver names it, and the runs on it.

    Memory is in bytes, what all programs use; ``utilization`` is 0..1. None for what the driver does not say.
    """

    name: str
    index: int | None
    card: str | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilization: float | None
    runs: tuple[str, ...]


def devices_of(beat: dict[str, Any], daemon: DaemonStatus) -> tuple[DeviceStatus, ...]:
    """Return the devices that a living daemon's heartbeat ``beat`` names, () for another's."""
    found = list_of(beat.get("devices"))[:_MOST_DEVICES] if daemon.lives else []
    return tuple(_device(one) for one in map(dict_of, found) if text_of(one.get("name")))


def reason_to_wait(beat: dict[str, Any], daemon: DaemonStatus, run_id: str) -> str | None:
    """Return what a run waits for, as a living daemon's heartbeat ``beat`` says; None where it says nothing."""
    return text_of(dict_of(beat.get("waiting_for")).get(run_id), 300) if daemon.lives else None


def words_of(device: DeviceStatus) -> str:
    """Return one line on a device."""
    name = device.name if device.index is None else f"device {device.index}"
    parts = [name if device.card is None else f"{name} ({device.card})"]
    if device.memory_used_bytes is not None and device.memory_total_bytes:
        parts.append(f"{device.memory_used_bytes / _GB:.1f} of {device.memory_total_bytes / _GB:.1f} GB in use")
    parts += [] if device.utilization is None else [f"{device.utilization:.0%} at work"]
    parts.append(", ".join(device.runs) or "no run of this loop")
    return "  ".join(parts)


def _device(value: dict[str, Any]) -> DeviceStatus:
    card = dict_of(value.get("card"))
    return DeviceStatus(
        name=text_of(value.get("name"), 80) or "",
        index=whole_of(card.get("index")),
        card=text_of(card.get("name"), 80),
        memory_total_bytes=whole_of(card.get("memory_total_bytes")),
        memory_used_bytes=whole_of(card.get("memory_used_bytes")),
        utilization=number_of(card.get("utilization")),
        runs=texts_of(value.get("runs"), 40),
    )
