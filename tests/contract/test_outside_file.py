"""What an outsider wrote may be anything: nobody waits for it, and no more is read than was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_loop.contract.outside_file import open_outside, read_outside, tail_outside

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither pipes nor devices in folders")


def test_a_file_is_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345\r\n\x1a6")
    assert read_outside(path, 9) == b"12345\r\n\x1a6"
    with pytest.raises(OSError, match="larger than 8 bytes"):
        read_outside(path, 8)
    with pytest.raises(FileNotFoundError):
        read_outside(tmp_path / "gone", 8)


def test_the_end_of_a_file_is_read_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345\r\n\x1a6")
    assert tail_outside(path, 3) == b"\n\x1a6"
    assert tail_outside(path, 100) == path.read_bytes()
    assert tail_outside(tmp_path / "gone", 3) == tail_outside(tmp_path, 3) == b""


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        open_outside(tmp_path)


@posix
def test_nobody_waits_at_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="not a regular file"):
            open_outside(tmp_path / name)
        assert tail_outside(tmp_path / name, 3) == b""


@posix
def test_a_device_that_never_ends_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        read_outside(tmp_path / "zero", 100)
