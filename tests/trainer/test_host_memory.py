"""A training that the machine's memory does not hold says so, in words that the loop reads."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")

import numpy as np  # noqa: E402
from PIL import Image, ImageFile  # noqa: E402

from llm_loop.contract.diagnosis import Cause  # noqa: E402
from llm_loop.stages.diagnose import FailureEvidence, diagnose  # noqa: E402
from llm_loop.system.processes import EndCause  # noqa: E402
from llm_loop.trainer.checkpoint import Checkpoint  # noqa: E402
from llm_loop.trainer.evaluate import at_once  # noqa: E402
from llm_loop.trainer.failures import is_of_host_memory  # noqa: E402
from llm_loop.trainer.images.image_folder import load_image_folder  # noqa: E402
from llm_loop.trainer.settings import Settings  # noqa: E402
from tests.trainer.conftest import command, environment  # noqa: E402

LIMITED = """
import resource, runpy, sys
import numpy, torch, PIL.Image
from pathlib import Path
more = float(sys.argv.pop(1)) * 1024**3
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (int(now + more),) * 2)
runpy.run_module("llm_loop.trainer", run_name="__main__", alter_sys=True)
"""
LINE = "out of memory on the CPU: training.batch_size {}, data.image_size {}: cannot allocate memory"
needs_limit = pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")


def limited(
    gibibytes: float, config: Path, folder: Path, *words: str, check: bool = False, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Train with no more than ``gibibytes`` of address space beyond what the imports take."""
    argv = [sys.executable, "-c", LIMITED, str(gibibytes), *command(config, folder, "training.epochs=1", *words)[3:]]
    if check:
        argv.append("--check")
    return subprocess.run(
        argv, env=environment(**extra), capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def assert_told(done: subprocess.CompletedProcess[str], batch: int, size: int) -> None:
    first, second = done.stderr.splitlines()
    assert (done.returncode, first) == (6, LINE.format(batch, size)) and "batch_size" in second
    seen = FailureEvidence(ending=EndCause.EXITED, exit_code=6, stderr=done.stderr, stdout=done.stdout)
    found = diagnose(seen)
    assert (found.cause, found.evidence_line) == (Cause.HOST_OUT_OF_MEMORY, first)


@needs_limit
def test_a_batch_beyond_the_memory_ends_with_6_and_a_smaller_one_trains(digits_config: Path, tmp_path: Path) -> None:
    words = ["data.image_size=64", "model.width=64", "data.train_images=200"]
    done = limited(0.5, digits_config, tmp_path, *words, "training.batch_size=200")
    assert_told(done, 200, 64)
    assert not (tmp_path / "result.json").exists()
    smaller = limited(0.5, digits_config, tmp_path, *words, "training.batch_size=10", "training.accumulate_steps=20")
    assert smaller.returncode == 0, smaller.stderr
    assert (tmp_path / "result.json").exists()


@needs_limit
def test_images_beyond_the_memory_end_with_6(digits_config: Path, tmp_path: Path) -> None:
    assert_told(limited(0.3, digits_config, tmp_path, "data.image_size=1024"), 32, 1024)


@needs_limit
@pytest.mark.parametrize(
    "words", [["model.width=512", "model.depth=8"], ["model.width=512", "model.depth=2", "data.image_size=512"]]
)
def test_a_network_beyond_the_memory_is_no_bad_config(words: list[str], image_root: Path, tmp_path: Path) -> None:
    config = Path(__file__).resolve().parents[2] / "config" / "trainer" / "image_folder.yaml"
    size = 512 if "data.image_size=512" in words else 64
    assert_told(limited(0.4, config, tmp_path / "out", f"data.root={image_root.as_posix()}", *words), 32, size)


@needs_limit
def test_a_check_fails_for_memory_only_where_the_training_would(digits_config: Path, tmp_path: Path) -> None:
    words = ["data.image_size=256", "model.width=64", "model.depth=4"]
    done = limited(0.35, digits_config, tmp_path / "out", *words, check=True)
    assert_told(done, 32, 256)
    words.append("training.device=cuda")  # whose memory is another one
    done = limited(0.35, digits_config, tmp_path / "out", *words, check=True, LLM_LOOP_CHECK_HIDES_DEVICES="1")
    assert done.returncode == 0 and done.stdout.endswith("no step, since the memory of the CPU is too small for it\n")


def test_what_says_that_memory_is_out_is_told_from_what_does_not() -> None:
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(10**15)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**15)
    with pytest.raises(RuntimeError) as of_shapes:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    of_system = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    of_pillow = ImageFile._get_oserror(-9, encoder=False)
    assert all(is_of_host_memory(error) for error in (of_torch.value, of_numpy.value, of_system, of_pillow))
    others = (
        of_shapes.value,
        OSError(errno.ENOENT, "no"),
        ImageFile._get_oserror(-2, encoder=False),
        KeyError("memory"),
    )
    assert not any(is_of_host_memory(error) for error in others)


def test_an_image_is_not_skipped_as_broken_for_want_of_memory(
    image_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ImageFile._get_oserror(-9, encoder=False)

    monkeypatch.setattr(Image.Image, "resize", fails)
    with pytest.raises(OSError, match="out of memory"):
        load_image_folder(replace(Settings().data, root=str(image_root), image_size=8))


def test_a_checkpoint_is_not_let_be_for_want_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "last.pt").touch()
    monkeypatch.setattr(torch, "load", lambda *_, **__: torch.empty(10**15))
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("size", "batch", "most"), [(8, 32, 256), (8, 1, 256), (16, 8, 64), (64, 32, 32), (512, 2, 2), (64, 999, 256)]
)
def test_evaluation_needs_no_more_memory_than_training(size: int, batch: int, most: int) -> None:
    assert at_once(batch, size) == most
