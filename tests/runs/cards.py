"""Cards for tests, and a fake nvidia-smi that lists them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.runs.devices import Card, Device
from tests.conftest import FAKES

GIB = 1024**3


def card(index: int = 0, **changes: Any) -> Card:
    """Return an idle card of 80 GiB."""
    uuid = f"GPU-{index:08d}-aaaa-bbbb-cccc-dddddddddddd"
    made = Card(index=index, uuid=uuid, name="NVIDIA H100", memory_total_bytes=80 * GIB, memory_used_bytes=0)
    return replace(made, utilization=0.0, **changes) if "utilization" not in changes else replace(made, **changes)


def device(index: int = 0, **changes: Any) -> Device:
    made = card(index, **changes)
    return Device(name=made.uuid, card=made)


def line(made: Card) -> str:
    """Return the line in which nvidia-smi tells of a card."""
    mib = 1024**2
    total, used = made.memory_total_bytes, made.memory_used_bytes
    numbers = [total // mib if total else "[N/A]", used // mib if used is not None else "[N/A]"]
    at_work = "[N/A]" if made.utilization is None else round(100 * made.utilization)
    return ", ".join(map(str, [made.index, made.uuid, made.name, *numbers, at_work]))


@dataclass
class FakeNvidia:
    """A real program that does what its file says."""

    file: Path

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-X", "utf8", str(FAKES / "fake_nvidia_cards.py"), str(self.file)]

    def lists(self, *cards: Card) -> None:
        self.will(lines=[line(made) for made in cards])

    def will(self, **told: Any) -> None:
        self.file.write_text(json.dumps(told), encoding="utf-8")

    def calls(self) -> list[str]:
        file = self.file.with_name(f"{self.file.name}.calls")
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
