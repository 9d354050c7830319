"""Where the time of a training goes, part by part; off unless asked for, since it makes a GPU wait."""

from __future__ import annotations

import time

import torch

PARTS = ("data", "augmentation", "forward", "backward", "optimizer", "evaluation", "files", "other")


class Stopwatch:
    """Add up wall seconds by part: each ``lap`` names what has been done since the last one.

    On a CUDA device each lap waits for all work sent there, so that it goes to the part that sent it; the training is
    slower by that. An ``on`` of False costs one comparison a lap.
    """

    def __init__(self, device: torch.device | None = None, *, on: bool = False) -> None:
        self._on = on
        self._device = device if device is not None and device.type == "cuda" else None
        self._last_s = time.monotonic()
        self._spent_s = dict.fromkeys(PARTS, 0.0)

    def lap(self, part: str) -> None:
        """Give the time since the last lap to ``part``."""
        if not self._on:
            return
        if self._device is not None:
            torch.cuda.synchronize(self._device)
        now_s = time.monotonic()
        self._spent_s[part] += now_s - self._last_s
        self._last_s = now_s

    def seconds(self) -> dict[str, float] | None:
        """Return the seconds of each part; None when it is off."""
        return {part: round(spent_s, 4) for part, spent_s in self._spent_s.items()} if self._on else None


def told(seconds: dict[str, float]) -> str:
    """Return the line for the screen, such as "time: forward 41 %, backward 48 %, ... of 12.3 s"."""
    total = sum(seconds.values())
    parts = sorted(seconds, key=lambda part: -seconds[part])
    shares = ", ".join(f"{part} {100 * seconds[part] / (total or 1):.0f} %" for part in parts)
    return f"time: {shares} of {total:.1f} s"
