"""Which devices the slots have: what `nvidia-smi` lists, what the configuration names, what the user allows.

A device is named as CUDA_VISIBLE_DEVICES names one. What `nvidia-smi` lists is named by its UUID: its order is that
of the bus, while CUDA by itself puts the fastest first (CUDA C++ Programming Guide, environment variables), so that
an index may mean another device there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

NONE = "none"
VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
_BY_BUS = "PCI_BUS_ID"
_PART = "MIG-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Hold what `nvidia-smi` says of one card.

    Memory is in bytes, what all programs use; ``utilization`` the share of the last moments in which it was at work,
    0..1. None where it does not say.
    """

    index: int
    uuid: str
    name: str
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization: float | None = None

    @property
    def memory_free_bytes(self) -> int | None:
        """The bytes that nobody uses; None where that is not known."""
        if self.memory_total_bytes is None or self.memory_used_bytes is None:
            return None
        return max(0, self.memory_total_bytes - self.memory_used_bytes)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a card from its JSON form. Raises KeyError, TypeError."""
        return cls(**{name: value[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Hold one device that a slot may have; ``card`` is None where `nvidia-smi` says nothing of it."""

    name: str
    card: Card | None = None

    def is_named(self, name: str | None) -> bool:
        """Tell whether ``name`` names this device, by any of its names."""
        if name is None or self.card is None:
            return name == self.name
        return name in (self.name, self.card.uuid, str(self.card.index))

    def __str__(self) -> str:
        return f"device {self.name}" if self.card is None else f"device {self.card.index} ({self.card.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Hold the devices of the slots, () when none is named, and sentences on what was left out of them."""

    devices: tuple[Device, ...] = ()
    notices: tuple[str, ...] = ()


def choose(wanted: str | Sequence[str], environment: Mapping[str, str], cards: Sequence[Card] | None) -> Choice:
    """Return the devices of the slots.

    ``wanted`` is the configuration's `devices`: ``auto``, ``none`` or names (an index as `nvidia-smi` counts, a UUID
    or its beginning). ``cards`` is None where `nvidia-smi` has not answered. A CUDA_VISIBLE_DEVICES in
    ``environment`` limits the choice. With no device named, a run's environment stays as it is.
    """
    if wanted == NONE or not wanted:
        return Choice()
    allowed = _allowed(environment, cards)
    if isinstance(wanted, str):  # auto
        if not cards:
            return Choice()
        every = [Device(name=card.uuid, card=card) for card in cards]
        return Choice(devices=tuple(every if allowed is None else allowed))
    devices: list[Device] = []
    notices: list[str] = []
    for text in dict.fromkeys(wanted):
        device, why = _listed(text, cards, allowed)
        if device is not None and not any(device.is_named(other.name) for other in devices):
            devices.append(device)
        notices += [] if why is None else [why]
    return Choice(devices=tuple(devices), notices=tuple(notices))


def _listed(
    text: str, cards: Sequence[Card] | None, allowed: Sequence[Device] | None
) -> tuple[Device | None, str | None]:
    """Return the device that the configuration names with ``text``, or why there is none."""
    card = _card_of(text, cards or ())
    if cards and card is None and not text.startswith(_PART):
        return None, f"devices: nvidia-smi lists no {text}; it is left out"
    device = Device(name=text if card is None else card.uuid, card=card)
    if allowed is None:
        return device, None
    same = [other for other in allowed if other.name == text or (card is not None and other.is_named(card.uuid))]
    if not same:
        return None, f"devices: {text} is not among the {VISIBLE} of the environment; it is left out"
    return same[0], None


def _allowed(environment: Mapping[str, str], cards: Sequence[Card] | None) -> list[Device] | None:
    """Return the devices that the user's own CUDA_VISIBLE_DEVICES leaves, named as there; None when it is not set.

    As CUDA reads it, what follows an entry that names nothing is not there.
    """
    text = environment.get(VISIBLE)
    if text is None:
        return None
    by_bus = environment.get(ORDER) == _BY_BUS or len({card.name for card in cards or ()}) <= 1
    devices: list[Device] = []
    for entry in (part.strip() for part in text.split(",")):
        is_index = entry.isdecimal()
        card = _card_of(entry, cards or ()) if by_bus or not is_index else None
        if not is_index and not entry.upper().startswith(("GPU-", _PART)):
            break
        if is_index and cards is not None and int(entry) >= len(cards):
            break
        if not any(device.name == entry for device in devices):
            devices.append(Device(name=entry, card=card))
    return devices


def _card_of(text: str, cards: Sequence[Card]) -> Card | None:
    """Return the card of an index, a UUID or the beginning of just one."""
    if text.isdecimal():
        return next((card for card in cards if card.index == int(text)), None)
    begun = [card for card in cards if text and card.uuid.lower().startswith(text.lower())]
    return begun[0] if len(begun) == 1 else None
