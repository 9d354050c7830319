"""Benches with a real training environment, its pip, and a folder of wheels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cycle.procedure.bench import MODULE, Bench
from tests.repairs.conftest import Training, training, unpacked_pip

__all__ = ["training", "unpacked_pip"]


@pytest.fixture
def open_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A maker of benches, one a test."""
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(tmp_path / f"work space {len(made)}", **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(training: Training, open_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose environment lacks the module ``needed``, which a wheel holds and a map names."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(training.packages))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    training.add(MODULE)
    names = {MODULE: [MODULE], "broken": ["broken"], "absent": ["absent"]}
    return open_bench(auto_repair_python_exe=str(training.python), auto_repair_module_package_map=names)
