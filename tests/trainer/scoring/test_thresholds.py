"""A threshold falls on the step that it names."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")

from llm_loop.trainer.scoring.thresholds import level_of


def test_every_multiple_of_a_step_is_that_step() -> None:
    assert [level_of(level / 255) for level in range(1, 255)] == list(range(1, 255))


def test_what_lies_between_is_the_next_step_and_never_none() -> None:
    assert level_of(0.5) == 128  # 127 / 255 is below one half
    assert level_of(1e-12) == 1
    assert level_of(1 - 1e-6) == 255
