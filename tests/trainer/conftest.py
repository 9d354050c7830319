"""What the trainer's tests share: a short config, a small folder of images, one training by command."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = ["training.epochs=2", "model.width=4", "training.device=cpu"]


def command(config: Path, output_dir: Path, *overrides: str) -> list[str]:
    """Return the argv of one training."""
    words = [sys.executable, "-m", "llm_loop.trainer", "--config", str(config), "--output-dir", str(output_dir)]
    return words + [word for override in overrides for word in ("--set", override)]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a training: without the loop's own names, with this checkout first."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    return clean | {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "0"} | extra


class Trainings:
    """Start trainings as the loop does: as child processes."""

    def run(self, config: Path, output_dir: Path, *overrides: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Train to the end."""
        return self.end(command(config, output_dir, *overrides), **extra)

    def end(self, argv: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in the environment of a training."""
        return subprocess.run(
            argv,
            env=environment(**extra),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def start(self, config: Path, output_dir: Path, *overrides: str, **extra: str) -> subprocess.Popen[str]:
        """Start a training and return it once its first epoch is told."""
        child = subprocess.Popen(
            command(config, output_dir, *overrides),
            env=environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert child.stdout is not None
        seen = []
        for line in child.stdout:
            seen.append(line)
            if line.startswith("epoch 1/"):
                return child
        raise AssertionError("no first epoch: " + "".join(seen))


@pytest.fixture
def trainings() -> Trainings:
    """Give the means to train by command; skip where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs the training environment")
    return Trainings()


@pytest.fixture(scope="session")
def digits_config() -> Path:
    """Return the shipped baseline config."""
    return REPOSITORY / "config" / "trainer" / "digits_fast.yaml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, digits_config: Path) -> tuple[Path, str]:
    """Train once on the digits; return the output folder and what was printed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs the training environment")
    folder = tmp_path_factory.mktemp("a run & its 'földer'")
    done = Trainings().run(digits_config, folder, *SHORT, "training.epochs=3")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def result(finished: tuple[Path, str]) -> dict[str, object]:
    """Return the result of the finished training."""
    value: dict[str, object] = json.loads((finished[0] / "result.json").read_text(encoding="utf-8"))
    return value


@pytest.fixture
def image_root(tmp_path: Path) -> Path:
    """Make a folder of two classes, bright and dark, 8 images each, 12 x 10 pixels."""
    pytest.importorskip("PIL")
    import numpy as np
    from PIL import Image

    draws = np.random.default_rng(0)
    for name, level in (("bright", 190), ("dark", 60)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(8):
            pixels = draws.integers(level - 50, level + 50, size=(10, 12)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"
