"""A check tells what a training would fail of, quickly, on the CPU, and leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from PIL import Image  # noqa: E402

from llm_loop.contract.run import CHECKPOINT  # noqa: E402
from llm_loop.errors import ConfigError, LoopError  # noqa: E402
from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.check import check  # noqa: E402
from llm_loop.trainer.checkpoint import Resume  # noqa: E402
from llm_loop.trainer.choices import DataSource  # noqa: E402
from llm_loop.trainer.device import DEVICES_ARE_HIDDEN, _counted, choose_device, expect_device  # noqa: E402
from llm_loop.trainer.failures import CheckpointError, DataError  # noqa: E402
from llm_loop.trainer.images.image_folder import load_few, load_image_folder  # noqa: E402
from llm_loop.trainer.settings import DataSettings, Settings  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import train  # noqa: E402
from tests.trainer.conftest import command, environment  # noqa: E402
from tests.trainer.test_checkpoint import StopAfter  # noqa: E402

SMALL = ["model.width=4", "training.device=cpu"]
no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


def settings_of(config: Path, *words: str) -> Settings:
    return settings_file.load(config, [*SMALL, *words])


def checked(config: Path, folder: Path, *words: str, resume: Resume | None = None) -> str:
    return check(settings_of(config, *words), folder, {}, resume)


@pytest.fixture
def batches_seen() -> Iterator[list[tuple[int, ...]]]:
    """Give the shapes of all batches that a network is trained on, and see that they are on the CPU."""
    shapes: list[tuple[int, ...]] = []

    def look(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert inputs[0].device.type == "cpu"
        if module.training and isinstance(module, torch.nn.Conv2d) and inputs[0].shape[1] == 1:
            shapes.append(tuple(inputs[0].shape))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    yield shapes
    hook.remove()


def test_the_command_says_one_line_and_touches_no_file(trainings, digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "result.json").write_bytes(b"{}")
    before = (tmp_path / "old").stat().st_mtime_ns
    for folder in ("old", "new/folder"):
        argv = [*command(digits_config, tmp_path / folder, *SMALL), "--check"]
        done = trainings.end(argv, LLM_LOOP_RESUME_DIR=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "checked: 10 classes; small_cnn, 678 weights; one sgd step on 4 images of 8 x 8 pixels on the CPU\n"
        )
    assert (tmp_path / "old").stat().st_mtime_ns == before and (tmp_path / "old" / "result.json").read_bytes() == b"{}"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("words", "line", "code"),
    [
        (["optimizer.learning_rat=1"], "nearest known key is optimizer.learning_rate", 2),
        (["data.source=image_folder", "data.root=no-such-folder"], "no-such-folder", 3),
    ],
)
def test_the_command_ends_as_the_training_would(
    trainings, digits_config: Path, tmp_path: Path, words: list[str], line: str, code: int
) -> None:
    argv = command(digits_config, tmp_path / "out", *words)
    done = trainings.end([*argv, "--check"])
    assert (done.returncode, done.stdout) == (code, "") and line in done.stderr
    assert not (tmp_path / "out").exists()
    assert trainings.end(argv).stderr == done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["model.name=timm:test_vit", "data.image_size=12"],
        ["model.name=timm:resnet10000"],
        ["data.source=image_folder", "data.root=no-such-folder"],
        ["augmentation.noise=1e39"],
        pytest.param(["training.device=cuda"], marks=no_cuda),
        pytest.param(["training.device=cuda:1"], marks=no_cuda),
    ],
    ids=lambda words: words[0],
)
def test_it_fails_as_the_training_does(words: list[str], digits_config: Path, tmp_path: Path) -> None:
    settings = settings_of(digits_config, *words)
    with pytest.raises(LoopError) as of_training:
        train(settings, tmp_path / "training", StopRequest(tmp_path))
    with pytest.raises(LoopError) as of_check:
        check(settings, tmp_path / "check", {})
    assert (type(of_check.value), str(of_check.value)) == (type(of_training.value), str(of_training.value))
    assert not (tmp_path / "check").exists()


def test_a_file_in_the_folder_s_way_is_told(digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(OSError) as of_training:
            train(settings_of(digits_config), folder, StopRequest(tmp_path))
        with pytest.raises(OSError) as of_check:
            checked(digits_config, folder)
        if os.name != "nt":
            assert (of_check.value.errno, of_check.value.filename) == (of_training.value.errno, str(folder))


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ([], (4, 1, 8, 8)),
        (["data.image_size=24", "training.accumulate_steps=7"], (4, 1, 24, 24)),
        (["training.batch_size=3"], (3, 1, 8, 8)),
        (["training.batch_size=1", "model.norm=none"], (2, 1, 8, 8)),
        (["schedule.name=one_cycle", "training.max_minutes=1e-9", "augmentation.mixup=0.2"], (4, 1, 8, 8)),
    ],
)
def test_it_takes_one_step_on_a_few_images(
    words: list[str], shape: tuple[int, ...], digits_config: Path, tmp_path: Path, batches_seen: list[tuple[int, ...]]
) -> None:
    line = checked(digits_config, tmp_path, "model.depth=1", *words)
    assert batches_seen == [shape]
    assert f"one sgd step on {shape[0]} images of {shape[2]} x {shape[3]} pixels on the CPU" in line


def test_a_stop_file_of_the_folder_is_none_of_its_business(digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "STOP").touch()
    assert "one sgd step" in checked(digits_config, tmp_path)


def test_a_checkpoint_is_looked_at_where_it_is_ordered(digits_config: Path, tmp_path: Path) -> None:
    order = Resume(path=tmp_path / "broken", is_order=True)
    with pytest.raises(CheckpointError, match="there is none"):
        checked(digits_config, tmp_path / "out", resume=order)
    (tmp_path / "broken").mkdir()
    train(settings_of(digits_config, "training.epochs=2"), tmp_path / "broken", StopAfter(tmp_path / "broken", 15))
    assert (tmp_path / "broken" / CHECKPOINT).exists()
    assert "one sgd step" in checked(digits_config, tmp_path / "out", "training.epochs=2", resume=order)
    with pytest.raises(CheckpointError, match=r"other settings: training\.epochs"):
        checked(digits_config, tmp_path / "out", "training.epochs=3", resume=order)


def folders_of_images(root: Path) -> Iterator[Path]:
    """Make a folder for each way in which the images of three classes can be whole ("w") or broken ("b")."""
    ways = ("", "w", "b", "ww", "bw", "bww", "bb")
    Image.new("L", (5, 5)).save(root / "whole.png")
    whole = (root / "whole.png").read_bytes()
    for number, classes in enumerate(product(ways, repeat=3)):
        for name, way in zip("abc", classes, strict=True):
            folder = root / str(number) / name
            folder.mkdir(parents=True)
            for index, state in enumerate(way):
                (folder / f"{index}.png").write_bytes(whole if state == "w" else b"\x89PNG")
        yield root / str(number)


@pytest.mark.parametrize("most", [2, 4])
def test_few_images_are_refused_where_all_would_be(most: int, tmp_path: Path) -> None:
    def said(load, root: Path) -> str | None:
        try:
            data = load(DataSettings(source=DataSource.IMAGE_FOLDER, root=str(root), image_size=4))
        except DataError as error:
            return str(error)
        assert len(data.train) >= 2 and max(data.train.labels) < len(data.classes) and len(data.classes) > 1
        return None

    words = [
        (said(load_image_folder, root), said(lambda settings: load_few(settings, most), root))
        for root in folders_of_images(tmp_path)
    ]
    assert len({one is None for one, _ in words}) == 2
    assert [one for one, _ in words] == [few for _, few in words]


def test_of_a_folder_no_more_than_it_takes_is_read(image_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    of_file = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.parent.name) or of_file(path))
    data = load_few(DataSettings(source=DataSource.IMAGE_FOLDER, root=str(image_root), image_size=6), 4)
    assert read == ["bright", "bright", "dark", "dark"] and data.train.images.shape == (4, 1, 6, 6)


def test_devices_are_judged_without_a_look_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("it asked for devices"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pytest.fail("it asked for devices"))
    for name in ("auto", "cpu"):
        expect_device(name, dict(os.environ))
    expect_device("cuda:99", {DEVICES_ARE_HIDDEN: "1"})
    with pytest.raises(
        ConfigError, match=r"training\.device cuda:99: torch \S+ finds \d+ CUDA devices; set it to auto"
    ):
        expect_device("cuda:99", dict(os.environ) | {DEVICES_ARE_HIDDEN: "0"})


def test_another_process_counts_the_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    assert _counted(os.environ) == found and choose_device("auto").type == ("cuda" if found else "cpu")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    of_two = "class cuda:\n    is_available = staticmethod(lambda: True)\n    device_count = staticmethod(lambda: 2)\n"
    (tmp_path / "torch.py").write_text(of_two, encoding="utf-8")
    environ = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    for name in ("cuda", "cuda:1"):
        expect_device(name, environ)
    with pytest.raises(ConfigError, match=r"cuda:2: torch \S+ finds 2 CUDA devices"):
        expect_device("cuda:2", environ)
    (tmp_path / "torch.py").write_text("raise SystemExit('no driver')\n", encoding="utf-8")
    expect_device("cuda:99", environ)  # nobody could count: nothing is said


def test_the_command_sees_no_device(trainings, digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "def tell():\n"
        "    import torch\n"
        "    print(repr(os.environ.get('CUDA_VISIBLE_DEVICES')), torch.cuda.is_initialized(), file=sys.stderr)\n"
        "atexit.register(tell)\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    argv = [*command(digits_config, tmp_path / "out", "training.device=auto", "model.width=4"), "--check"]
    done = trainings.end(argv, PYTHONPATH=path, CUDA_VISIBLE_DEVICES="0")
    assert (done.returncode, done.stderr) == (0, "'' False\n")
    assert "on the CPU" in done.stdout
