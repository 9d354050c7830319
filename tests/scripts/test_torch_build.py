"""Which build is taken, by what pip says that it would install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from environments.nvidia import Nvidia
from environments.problem import SetupProblem
from environments.torch_build import build_of, choose, index_url, pinned

PINS = {"torch": "2.13.0", "torchvision": "0.28.0"}
NEW_DRIVER = Nvidia(cuda=(13, 0), driver="580.1", cards=("NVIDIA RTX",), capability=(8, 6))
OLD_DRIVER = Nvidia(cuda=(12, 2), driver="535.1", cards=("NVIDIA RTX",), capability=(8, 6))


def report(**versions: str) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": name.replace("_", "-"), "version": version},
            "download_info": {"url": f"https://host.invalid/{name}-{version}.whl"},
        }
        for name, version in versions.items()
    ]
    return {"version": "1", "pip_version": "23.2.1", "install": items}


CPU = report(torch="2.13.0+cpu", torchvision="0.28.0")
PYPI_WINDOWS = report(torch="2.13.0", torchvision="0.28.0", filelock="4.2.11")
PYPI_LINUX = report(
    torch="2.13.0", torchvision="0.28.0", cuda_toolkit="13.0.2", nvidia_cublas="13.1.0", nvidia_nccl_cu13="2.29.7"
)


class Pip:
    """Answers by the index that is asked; None means that pip finds nothing there."""

    def __init__(self, own: dict[str, Any] | None, **by_tag: dict[str, Any] | None) -> None:
        self.answers: dict[str, dict[str, Any] | None] = {"own": own, **by_tag}
        self.asked: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> Mapping[str, Any]:
        self.asked.append(arguments)
        url = next((word for word in arguments if "/" in word), "own")
        answer = self.answers.get(url.rstrip("/").rsplit("/", 1)[-1])
        if answer is None:
            raise SetupProblem("torch==2.13.0 cannot be had", "Check the network")
        return answer


@pytest.mark.parametrize(
    ("canned", "platform", "build"),
    [
        (CPU, "linux", "cpu"),
        (PYPI_WINDOWS, "win32", "cpu"),
        (PYPI_WINDOWS, "darwin", "cpu"),
        (PYPI_WINDOWS, "linux", "cpu"),
        (PYPI_LINUX, "linux", "cu130"),
        (report(torch="2.7.0", nvidia_cuda_runtime_cu12="12.6.77"), "linux", "cu126"),
        (report(torch="2.7.0", nvidia_nccl_cu12="2.20"), "linux", "cu120"),
        (report(torch="2.13.0+cu126"), "win32", "cu126"),
        (report(torch="2.13.0+rocm6.4"), "linux", "rocm6.4"),
    ],
)
def test_the_report_tells_the_build(canned, platform, build):
    assert build_of(canned, platform) == build


def test_the_users_own_pip_settings_are_taken_where_they_fit():
    pip = Pip(CPU)
    chosen = choose(pip, PINS, None, None, "linux")
    assert (chosen.version, chosen.build, chosen.index_options) == ("2.13.0+cpu", "cpu", ())
    assert pip.asked == [["torch==2.13.0", "torchvision==0.28.0"]]
    assert chosen.urls[0] == "https://host.invalid/torch-2.13.0+cpu.whl"


def test_linux_with_a_new_driver_takes_the_ordinary_build():
    chosen = choose(Pip(PYPI_LINUX), PINS, NEW_DRIVER, None, "linux")
    assert (chosen.build, chosen.index_options) == ("cu130", ())


@pytest.mark.parametrize(
    ("own", "machine", "platform", "tag"),
    [
        (PYPI_LINUX, None, "linux", "cpu"),
        (PYPI_LINUX, OLD_DRIVER, "linux", "cu126"),
        (PYPI_WINDOWS, NEW_DRIVER, "win32", "cu130"),
        (PYPI_WINDOWS, OLD_DRIVER, "win32", "cu126"),
        (CPU, NEW_DRIVER, "linux", "cu130"),
    ],
)
def test_where_they_do_not_fit_pytorchs_own_index_is_asked(own, machine, platform, tag):
    pip = Pip(own, **{tag: report(torch=f"2.13.0+{tag}", torchvision=f"0.28.0+{tag}")})
    chosen = choose(pip, PINS, machine, None, platform)
    assert chosen.requirements == (f"torch==2.13.0+{tag}", f"torchvision==0.28.0+{tag}")
    assert chosen.index_options == ("--extra-index-url", f"https://download.pytorch.org/whl/{tag}")
    assert chosen.build == tag


def test_an_index_out_of_reach_names_both_ways_out():
    with pytest.raises(SetupProblem) as caught:
        choose(Pip(PYPI_LINUX), PINS, None, None, "linux")
    assert "--torch-index URL" in str(caught.value)
    assert "--torch-index pip" in str(caught.value)
    assert "2.13.0, cu130" in str(caught.value)


def test_the_user_may_take_what_pip_says():
    assert choose(Pip(PYPI_LINUX), PINS, None, "pip", "linux").build == "cu130"


@pytest.mark.parametrize("override", ["cu126", "https://mirror.invalid/whl/cu126/"])
def test_a_named_index_is_asked_alone(override):
    pip = Pip(None, cu126=report(torch="2.13.0+cu126"))
    chosen = choose(pip, PINS, None, override, "linux")
    assert chosen.index_options == ("--extra-index-url", index_url(override))
    assert chosen.requirements[0] == "torch==2.13.0+cu126"
    assert len(pip.asked) == 1


def test_an_index_without_a_known_tag_replaces_the_ordinary_one():
    chosen = choose(Pip(None, simple=PYPI_LINUX), PINS, None, "https://mirror.invalid/simple", "linux")
    assert chosen.index_options == ("--index-url", "https://mirror.invalid/simple")
    assert chosen.requirements == ("torch==2.13.0", "torchvision==0.28.0")


def test_pins_are_read_by_name(tmp_path):
    file = tmp_path / "train.txt"
    file.write_text("# torch==1.0\ntorch==2.13.0\nsegmentation_models_pytorch==0.6.0  # why\n", encoding="utf-8")
    assert pinned(file) == {"torch": "2.13.0", "segmentation-models-pytorch": "0.6.0"}
