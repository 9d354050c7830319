"""What nvidia-smi says is read right, whatever its age; a machine without it has no card."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from environments.nvidia import Nvidia, detect_nvidia, read_nvidia


@pytest.mark.parametrize(
    ("said", "cuda"),
    [("CUDA Version: 12.4", (12, 4)), ("CUDA Version: 13.0", (13, 0)), ("CUDA UMD Version: 13.2", (13, 2))],
)
def test_reads_the_cuda_version_of_the_driver(nvidia_smi, said, cuda):
    nvidia_smi(cuda=said, cards="NVIDIA H200, 570.86, 9.0")
    found = detect_nvidia()
    assert found == Nvidia(cuda=cuda, driver="570.86", cards=("NVIDIA H200",), capability=(9, 0))


def test_takes_the_weakest_of_several_cards(nvidia_smi):
    nvidia_smi(cards="NVIDIA H200, 580.1, 9.0\nQuadro P400, 580.1, 6.1")
    found = detect_nvidia()
    assert found is not None
    assert found.capability == (6, 1)


def test_an_old_driver_that_knows_no_capability_still_counts(nvidia_smi):
    nvidia_smi(old="1", cuda="CUDA Version: 11.4", cards="Tesla K80, 470.82")
    found = detect_nvidia()
    assert found == Nvidia(cuda=(11, 4), driver="470.82", cards=("Tesla K80",), capability=None)


@pytest.mark.parametrize(
    ("driver", "cuda"), [("580.95.05", (13, 0)), ("550.54", (12, 0)), ("470.82", (11, 0)), ("390.1", None)]
)
def test_the_driver_tells_where_the_header_does_not(driver, cuda):
    found = read_nvidia("no version here", f"NVIDIA RTX, {driver}, 8.6\n")
    assert (found.cuda if found else None) == cuda


def test_a_driver_that_does_not_answer_is_no_card(nvidia_smi):
    nvidia_smi(exit="9")
    assert detect_nvidia() is None


def test_no_program_is_no_card(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    assert detect_nvidia() is None


def test_on_windows_it_is_found_beside_the_driver(monkeypatch, tmp_path):
    from environments import nvidia

    program = tmp_path / "System32" / "nvidia-smi.exe"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(nvidia.shutil, "which", lambda name: None)
    assert nvidia.find_nvidia_smi() == Path(program)
