"""Where the next run goes, and what it waits for: no second run where the memory would not hold both.

The first run always starts, for a guard must not starve the loop. A further one starts on the device with the fewest
runs whose memory holds it, by what earlier runs took at most. What nobody knows bounds nothing, but for one wait:
what the first runs on a device need is soon seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.runs.devices import Device
from llm_loop.system.memory import HostMemory

GROWING_S = 60.0
SEEN_AFTER_S = 30.0
MARGIN = 1.1
DEVICE_RESERVE_BYTES = 256 * 1024**2
HOST_RESERVE_BYTES = 1024**3
_HOST_RESERVE_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Hold the memory that a run is expected to take at most, in bytes; None where nothing is known."""

    host_bytes: int | None = None
    device_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """Hold a running run: its device by name (None without), what it may take, its age in seconds now.

    ``seen_bytes`` is the most that it was seen to use of its device; ``age_at_reading_s`` its age when the card was
    read, negative when it came later.
    """

    run_id: str
    device: str | None
    need: Need
    age_s: float
    age_at_reading_s: float = 0.0
    seen_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold where a run starts, a device's name or None for no device; ``waits_for`` says why it does not start yet."""

    device: str | None = None
    waits_for: str | None = None


def place(need: Need, occupants: Sequence[Occupant], devices: Sequence[Device], host: HostMemory | None) -> Place:
    """Return where the next run goes now, or what it waits for. ``host`` and cards are as they were read last."""
    there = {device.name: [one for one in occupants if device.is_named(one.device)] for device in devices}
    ranked = sorted(devices, key=lambda device: (len(there[device.name]), _busy_tenths(device)))
    reasons = {device.name: _device_reason(device, need, there[device.name]) for device in ranked}
    chosen = next((device.name for device in ranked if reasons[device.name] is None), None)
    if not occupants:
        return Place(device=chosen if chosen is not None or not ranked else ranked[0].name)
    if (why := _host_reason(need, occupants, host)) is not None:
        return Place(waits_for=why)
    if devices and chosen is None:
        return Place(waits_for=reasons[ranked[0].name])
    return Place(device=chosen)


def host_reserve_bytes(host: HostMemory) -> int:
    """Return the memory that stays free of runs: 5 % of all, at most 1 GiB."""
    return min(int(host.total_bytes * _HOST_RESERVE_SHARE), HOST_RESERVE_BYTES)


def _host_reason(need: Need, occupants: Sequence[Occupant], host: HostMemory | None) -> str | None:
    if host is None:
        return None
    growing = [one.need.host_bytes or 0 for one in occupants if one.age_s < GROWING_S]
    wanted = int((need.host_bytes or 0) * MARGIN)
    if host.available_bytes >= wanted + sum(growing) + host_reserve_bytes(host):
        return None
    return _words("this machine", host.available_bytes, wanted, sum(growing), host_reserve_bytes(host))


def _device_reason(device: Device, need: Need, there: Sequence[Occupant]) -> str | None:
    free = None if device.card is None else device.card.memory_free_bytes
    if free is None:
        return None
    expected = need.device_bytes
    if expected is None:
        seen = [one.seen_bytes for one in there if one.seen_bytes is not None]
        unseen = [one for one in there if one.age_at_reading_s < SEEN_AFTER_S and one.age_s < GROWING_S]
        if unseen and len(there) == 1:
            return f"{device}: it is not known yet how much of its memory {unseen[0].run_id} needs"
        expected = max(seen, default=0)
    growing = sum(_growth(one) for one in there)
    wanted = int(expected * MARGIN)
    if free >= wanted + growing + DEVICE_RESERVE_BYTES:
        return None
    return _words(str(device), free, wanted, growing, DEVICE_RESERVE_BYTES)


def _growth(occupant: Occupant) -> int:
    """Return what an occupant may still take of its device; one that was read a minute after its start, nothing."""
    if occupant.age_at_reading_s >= GROWING_S:
        return 0
    return max(occupant.need.device_bytes or 0, occupant.seen_bytes or 0)


def _busy_tenths(device: Device) -> int:
    """Return how busy a card is, 0..10: the larger of its shares of memory and of time that are in use."""
    card = device.card
    if card is None:
        return 0
    total, used = card.memory_total_bytes, card.memory_used_bytes
    share = used / total if total and used is not None else 0.0
    return round(10 * max(share, card.utilization or 0.0))


def _words(where: str, free: int, wanted: int, growing: int, reserve: int) -> str:
    parts = [f"about {_gb(wanted)} for the run"] if wanted else []
    parts += [f"{_gb(growing)} for those that began a moment ago"] if growing else []
    return f"{where} has {_gb(free)} of memory free, wanted are " + ", ".join([*parts, f"{_gb(reserve)} in reserve"])


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
