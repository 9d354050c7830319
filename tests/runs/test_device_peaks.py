"""What a run uses of its card: seen alone, without what was there before."""

from __future__ import annotations

from llm_loop.runs.device_peaks import DevicePeaks
from tests.runs.cards import GIB, card

UUID, OTHER = card(0).uuid, card(1).uuid


def read(peaks: DevicePeaks, used: int | None, asked: list[str], now: list[str] | None = None) -> None:
    peaks.asked({UUID: asked})
    peaks.take([card(0, memory_used_bytes=used)], {UUID: asked if now is None else now})


def test_the_most_that_was_seen_counts_without_what_others_held_before() -> None:
    peaks = DevicePeaks()
    read(peaks, 2 * GIB, [])
    read(peaks, 5 * GIB, ["R0001"])
    read(peaks, 9 * GIB, ["R0001"])
    read(peaks, 4 * GIB, ["R0001"])
    assert peaks.of("R0001") == 7 * GIB
    peaks.forget("R0001")
    assert peaks.of("R0001") is None


def test_a_run_beside_another_is_not_seen() -> None:
    peaks = DevicePeaks()
    read(peaks, 9 * GIB, ["R0001", "R0002"])
    assert peaks.of("R0001") is None and peaks.of("R0002") is None


def test_a_reading_during_which_runs_came_or_went_is_nobodys() -> None:
    peaks = DevicePeaks()
    read(peaks, 9 * GIB, [], ["R0001"])
    read(peaks, 9 * GIB, ["R0001", "R0002"], ["R0001"])
    read(peaks, 9 * GIB, ["R0001"], [])
    assert peaks.of("R0001") is None
    read(peaks, 9 * GIB, ["R0001"])
    assert peaks.of("R0001") == 9 * GIB, "what was used as a run left is not what is there without one"


def test_what_is_not_told_or_nothing_is_not_known() -> None:
    peaks = DevicePeaks()
    read(peaks, None, ["R0001"])
    read(peaks, 3 * GIB, [])
    read(peaks, 3 * GIB, ["R0001"])
    assert peaks.of("R0001") is None


def test_each_card_is_its_own() -> None:
    peaks = DevicePeaks()
    both = {UUID: ["R0001"], OTHER: ["R0002"]}
    peaks.asked(both)
    peaks.take([card(0, memory_used_bytes=GIB), card(1, memory_used_bytes=2 * GIB)], both)
    assert (peaks.of("R0001"), peaks.of("R0002")) == (GIB, 2 * GIB)
