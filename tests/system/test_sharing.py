"""A foreign process holds a file open: for a while, and for ever."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.errors import FileWriteError, LoopError
from llm_loop.system import files
from tests.file_holding import held_open

ACTS: dict[str, Callable[[Path], object]] = {
    "replace": lambda path: files.replace_text(path, "new"),
    "replace bytes": lambda path: files.replace_bytes(path, b"new", durable=False),
    "remove": files.remove,
    "set aside": lambda path: files.set_aside(path, "20260301T220000Z"),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_file_held_for_a_while_is_waited_for(tmp_path: Path, act: str) -> None:
    path = tmp_path / "best_model.pt"
    path.write_text("old", encoding="utf-8")
    with held_open(path) as holder:
        assert holder.stdin is not None
        letting_go = threading.Timer(0.3, holder.stdin.close)
        letting_go.start()
        ACTS[act](path)
        letting_go.join()
    assert not path.exists() or path.read_text(encoding="utf-8") == "new"
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("act", ACTS)
def test_a_file_held_for_ever_stands_and_is_named(tmp_path: Path, act: str) -> None:
    path = tmp_path / "best_model.pt"
    path.write_text("old", encoding="utf-8")
    with held_open(path):
        if os.name != "nt":
            ACTS[act](path)
            assert not path.exists() or path.read_text(encoding="utf-8") == "new"
            return
        with pytest.raises(FileWriteError, match="best_model"):
            ACTS[act](path)
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(FileWriteError):
                ACTS[act](path)
        assert time.monotonic() - began < 0.9, "its second is spent once"
        assert files.read_text(path) == "old" and [file.name for file in tmp_path.iterdir()] == [path.name]
    ACTS[act](path)
    assert not path.exists() or path.read_text(encoding="utf-8") == "new"


def test_lines_are_appended_while_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    files.append_line(path, "1")
    with held_open(path):
        files.append_line(path, "2")
    assert path.read_text(encoding="utf-8") == "1\n2\n"


def test_a_reader_beside_a_writer_meets_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.replace_json(path, {"number": 0})
    stop = threading.Event()
    troubles: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                assert isinstance(files.read_json(path)["number"], int)
            except (AssertionError, OSError, LoopError) as error:
                troubles.append(error)
            time.sleep(0.005)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(200):
            files.replace_json(path, {"number": number}, durable=False)
    finally:
        stop.set()
        reader.join()
    assert not troubles, troubles[:3]
    assert files.read_json(path) == {"number": 199}
