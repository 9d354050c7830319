"""Small drives of a test's own: full when told, read-only, gone and back. Linux, and its administrator, only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mount_or_skip(*words: str, patience_s: float = 0.0) -> None:
    """Mount something; skip the test where this machine does not let us."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only an administrator of Linux can mount a drive")
    give_up = time.monotonic() + patience_s
    while (done := subprocess.run(["mount", *words], capture_output=True, text=True)).returncode != 0:
        if time.monotonic() < give_up:
            time.sleep(0.02)  # no event tells that nobody writes
            continue
        pytest.skip(f"no drive can be mounted here: {done.stderr.strip()}")


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


@contextmanager
def drive(place: Path, megabytes: int = 32) -> Iterator[Path]:
    """Mount an empty drive at ``place``; unmounted at the end of the block."""
    place.mkdir(parents=True, exist_ok=True)
    mount_or_skip("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place))
    try:
        yield place
    finally:
        unmount(place)


@contextmanager
def covered(place: Path) -> Iterator[None]:
    """Let another, empty drive lie at ``place``, as the bare folder does when a drive went away."""
    with drive(place, 1):
        yield
        left = list(place.rglob("*"))
    assert not left, f"written where the drive was missing: {left}"


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Let ``place`` be read-only for who opens files now, as a drive with errors becomes."""
    mount_or_skip("--bind", str(place), str(place))
    try:
        mount_or_skip("-o", "remount,ro,bind", str(place), patience_s=10.0)  # busy while the loop writes a file
        yield
    finally:
        unmount(place)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Take the last byte of the drive at ``place``."""
    filler = place / "filler"
    try:
        with filler.open("wb", 0) as stream:
            for size in (1_000_000, 4096, 1):
                try:
                    while True:
                        stream.write(bytes(size))
                except OSError:
                    continue
        yield
    finally:
        filler.unlink()
