"""Which NVIDIA driver and cards this machine has, as `nvidia-smi` tells it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 20.0
# Oldest driver of each CUDA major version (NVIDIA, "CUDA Compatibility", minor version compatibility), newest first.
_CUDA_OF_DRIVER = ((580, (13, 0)), (525, (12, 0)), (450, (11, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvidia:
    """A working NVIDIA driver.

    `cuda` is the newest CUDA version that the driver serves; `capability` the lowest compute capability of the cards,
    None when the driver is too old to say.
    """

    cuda: tuple[int, int]
    driver: str
    cards: tuple[str, ...]
    capability: tuple[int, int] | None

    def __str__(self) -> str:
        cards = ", ".join(sorted(set(self.cards))) or "NVIDIA"
        return f"{cards} (driver {self.driver}, CUDA {self.cuda[0]}.{self.cuda[1]})"


def detect_nvidia(program: Path | None = None) -> Nvidia | None:
    """Return what `nvidia-smi` says, or None where there is no card, no driver, or no answer within 20 s."""
    program = program or find_nvidia_smi()
    if program is None:
        return None
    header = _ask(program)
    cards = _ask(program, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")
    cards = cards or _ask(program, "--query-gpu=name,driver_version", "--format=csv,noheader")
    return read_nvidia(header, cards)


def find_nvidia_smi() -> Path | None:
    """Return the path of `nvidia-smi`: on PATH, or where Windows drivers put it."""
    found = shutil.which("nvidia-smi")
    if found:
        return Path(found)
    if sys.platform != "win32":
        return None
    windows, programs = os.environ.get("SYSTEMROOT", r"C:\Windows"), os.environ.get("PROGRAMFILES", r"C:\Program Files")
    places = (
        Path(windows) / "System32" / "nvidia-smi.exe",
        Path(programs) / "NVIDIA Corporation" / "NVSMI" / "nvidia-smi.exe",
    )
    return next((place for place in places if place.is_file()), None)


def read_nvidia(header: str, cards: str) -> Nvidia | None:
    """Read the two answers of `nvidia-smi`: its plain screen, and `name, driver_version[, compute_cap]` lines."""
    rows = [[field.strip() for field in line.split(",")] for line in cards.splitlines() if line.count(",")]
    if not rows:
        return None
    driver = rows[0][1]
    said = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)", header)
    cuda = (int(said[1]), int(said[2])) if said else _cuda_of(driver)
    if cuda is None:
        return None
    capabilities = [_pair(row[2]) for row in rows if len(row) > 2]
    known = [pair for pair in capabilities if pair]
    lowest = min(known) if known else None
    return Nvidia(cuda=cuda, driver=driver, cards=tuple(row[0] for row in rows), capability=lowest)


def _ask(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _pair(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _cuda_of(driver: str) -> tuple[int, int] | None:
    major = int(driver.split(".")[0]) if driver.split(".")[0].isdigit() else 0
    return next((cuda for oldest, cuda in _CUDA_OF_DRIVER if major >= oldest), None)
