"""A short bad night of each kind, with fixed seeds; ``run.py`` has the long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL, and the process list of Linux"),
]
NIGHTS = [
    "--kills 6 --keepers 3 --seed 2",
    "--steps 10 --seed 3",
    "--keeper-steps 3 --seed 4",
    "--full-disk 2 --seed 5",
]


@pytest.mark.parametrize("words", NIGHTS)
def test_nothing_is_lost_and_nothing_starts_twice(words: str) -> None:
    argv = [sys.executable, "-X", "utf8", str(Path(__file__).with_name("run.py")), *words.split()]
    done = subprocess.run(argv, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    if "left out" in done.stdout:
        pytest.skip(done.stdout.strip())
