"""Fakes for the set-up: a pip that does what it is told, an nvidia-smi on PATH, a hostile folder."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

FAKES = Path(__file__).resolve().parent.parent / "fakes"


@dataclass
class FakePip:
    """A real program that answers as pip would, and what it was asked."""

    folder: Path
    argv: list[str] = field(default_factory=lambda: [sys.executable, str(FAKES / "fake_pip.py")])

    def will(self, *answers: dict[str, Any]) -> None:
        (self.folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line)["argv"] for line in lines]


@pytest.fixture
def fake_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    folder = tmp_path / "fake pip"
    folder.mkdir()
    monkeypatch.setenv("FAKE_PIP_DIR", str(folder))
    return FakePip(folder)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put an nvidia-smi first on PATH; its keyword arguments are the FAKE_NVIDIA_ settings."""

    def install(**settings: str) -> Path:
        for name, value in settings.items():
            monkeypatch.setenv(f"FAKE_NVIDIA_{name.upper()}", value)
        folder = tmp_path / "with nvidia"
        folder.mkdir(exist_ok=True)
        fake = FAKES / "fake_nvidia_smi.py"
        if sys.platform == "win32":
            program = folder / "nvidia-smi.cmd"
            # by variables: cmd reads the file itself in the console's code page
            monkeypatch.setenv("FAKE_NVIDIA_PYTHON", sys.executable)
            monkeypatch.setenv("FAKE_NVIDIA_SCRIPT", str(fake))
            text = '@"%FAKE_NVIDIA_PYTHON%" "%FAKE_NVIDIA_SCRIPT%" %*\n'
            program.write_text(text, encoding="utf-8", newline="\r\n")
        else:
            program = folder / "nvidia-smi"
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n', encoding="utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return program

    return install


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Jörg's [1] & €"
    folder.mkdir()
    return folder
