"""YAML that unfolds without end is told from honest YAML, and nobody in the loop reads it."""

from __future__ import annotations

import pytest

from llm_loop.contract.yaml_bombs import is_bomb
from llm_loop.stages.observing.run_params import params_in

HONEST = """\
base: &base {lr: 0.1, betas: [0.9, 0.999]}
train: {<<: *base, files: ["data/*train*.png", 'a/**/*_x.png', 3 * 4]}
"""


def merging(anchor: str, levels: int = 14) -> str:
    """Return a mapping of a few hundred characters whose last key would hold 9 to the power of ``levels`` keys."""
    lines = [f"k0: &{anchor}0 {{x: 1}}"]
    lines += [f"k{n + 1}: &{anchor}{n + 1} {{<<: [{', '.join([f'*{anchor}{n}'] * 9)}]}}" for n in range(levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("bomb", [merging("a"), merging("-a"), merging("_"), "[" * 61, "a: " + "{b: " * 70])
def test_a_bomb_is_not_read(bomb: str) -> None:
    assert is_bomb(bomb)
    assert params_in(bomb) == {}  # for ever, and all memory, if it were read


def test_honest_yaml_is_read() -> None:
    assert not is_bomb(HONEST)
    assert params_in(HONEST)["train.lr"] == 0.1
