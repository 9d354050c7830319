"""Chaos in small, on both platforms: kills of daemon and keeper at random moments, spoiled files, then a quiet end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.night import Night, random_kills

KILLS, KEEPER_KILLS = 8, 3


@pytest.mark.chaos
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path / "bad night", random.Random(12))
    try:
        random_kills(night, KILLS, KEEPER_KILLS)
        night.finish(runs=6)
    finally:
        night.loop.kill()
    counts = night.counts()
    assert night.runs_ended() >= 6, "a night without runs shows nothing"
    assert not any(counts.values()), ({name: count for name, count in counts.items() if count}, night.loop.bad_ends[:3])
