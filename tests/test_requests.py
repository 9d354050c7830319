"""Flags in ``.llm_loop``: read whatever wrote them, never waited at, never believed at any length."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.requests import Requests, read_requests


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    (tmp_path / ".llm_loop").mkdir()
    return WorkspacePaths(tmp_path)


def test_what_lies_there_is_told(paths: WorkspacePaths) -> None:
    assert read_requests(paths) == Requests()
    paths.stop_current_run.write_bytes("R0001\r\n".encode("utf-16"))
    paths.stop_daemon.write_text("leave-run\n", encoding="utf-8")
    paths.pause.mkdir()
    assert read_requests(paths) == Requests(stop_daemon="leave-run", stop_current_run="R0001", pause=True)


def test_a_folder_without_a_home_asks_for_nothing(tmp_path: Path) -> None:
    assert read_requests(WorkspacePaths(tmp_path)) == Requests()
    (tmp_path / ".llm_loop").write_text("", encoding="utf-8")
    assert read_requests(WorkspacePaths(tmp_path)) == Requests()


def test_a_flag_that_is_no_short_file_is_an_empty_one(paths: WorkspacePaths) -> None:
    paths.stop_daemon.mkdir()
    paths.stop_current_run.write_bytes(b"R" * 1_000_000)
    assert read_requests(paths) == Requests(stop_daemon="", stop_current_run="")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_nobody_waits_at_a_pipe(paths: WorkspacePaths) -> None:
    os.mkfifo(paths.stop_daemon)
    assert read_requests(paths) == Requests(stop_daemon="")
