"""The command that results, run by the real pip against package indexes in folders: the right build of three wins."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from environments.nvidia import Nvidia
from environments.pip_run import run_pip
from environments.torch_build import choose, report_with

PINS = {"torch": "2.13.0", "torchvision": "0.28.0"}


def wheel(folder: Path, name: str, version: str) -> None:
    """Write a wheel of a package without contents into an index of the simple kind."""
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(home / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    links = "".join(f'<a href="{path.name}">{path.name}</a>' for path in sorted(home.glob("*.whl")))
    (home / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>", encoding="utf-8")


@pytest.fixture
def indexes(hostile_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three indexes and pip settings that lead to the plain build, as an ordinary machine's do."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for tag, local in (("simple", ""), ("cpu", "+cpu"), ("cu126", "+cu126")):
        for name, version in PINS.items():
            wheel(hostile_folder / tag, name, version + local)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (hostile_folder / "simple").as_uri())
    return hostile_folder


def real_pip(folder: Path, arguments: list[str]) -> None:
    run_pip([sys.executable, "-P", "-m", "pip"], arguments, cwd=folder, log=folder / "pip.log", say=lambda text: None)


def test_a_named_index_gives_its_own_build(indexes: Path):
    def ask(arguments):
        return report_with(lambda more: real_pip(indexes, more), arguments)

    own = choose(ask, PINS, None, "pip", "win32")
    assert own.version == "2.13.0"
    other = choose(ask, PINS, None, (indexes / "cu126").as_uri(), "win32")
    assert (other.version, other.build) == ("2.13.0+cu126", "cu126")
    assert all("cu126" in url for url in other.urls)


def test_windows_with_nvidia_goes_to_the_cuda_index_and_installs_from_it(indexes: Path, monkeypatch):
    from environments import torch_build

    monkeypatch.setattr(torch_build, "PYTORCH_INDEX", "")
    monkeypatch.setattr(torch_build, "index_url", lambda override: (indexes / override).as_uri())
    machine = Nvidia(cuda=(12, 4), driver="550.1", cards=("NVIDIA RTX",), capability=(8, 6))
    asked = []

    def ask(arguments):
        asked.append(arguments)
        return report_with(lambda more: real_pip(indexes, more), arguments)

    build = choose(ask, PINS, machine, None, "win32")
    assert len(asked) == 2
    target = indexes / "installed"
    real_pip(indexes, ["install", "--target", str(target), *build.index_options, *build.requirements])
    assert sorted(path.name for path in target.glob("*.dist-info")) == [
        "torch-2.13.0+cu126.dist-info",
        "torchvision-0.28.0+cu126.dist-info",
    ]
