"""What must not be cut in two is done whole, and the interruption comes behind it."""

from __future__ import annotations

import signal

import pytest

from llm_loop.selftest.interruption import as_keyboard_interrupt, uninterrupted


def test_the_block_is_done_whole_and_then_interrupted() -> None:
    done = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        done.append("whole")
    assert done == ["whole"] and signal.getsignal(signal.SIGINT) is before


def test_without_a_signal_nothing_is_raised() -> None:
    with uninterrupted():
        pass


def test_an_error_of_the_block_comes_first() -> None:
    with pytest.raises(ValueError, match="broken"), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("broken")


def test_a_plain_kill_is_as_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), as_keyboard_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
