"""Room on the disk, long paths, file errors, download sizes."""

from __future__ import annotations

import errno
import http.server
import threading
from pathlib import Path

import pytest

from environments.checks import need_room, path_warning
from environments.download_size import as_text, download_size
from environments.problem import SetupProblem, problem_of


def test_room_enough_is_silent_and_too_little_names_both_figures(tmp_path):
    need_room(tmp_path, 0)
    with pytest.raises(SetupProblem, match="needs about 1e\\+09 GB"):
        need_room(tmp_path, 1e9)


def test_a_long_path_is_warned_of_on_windows_only():
    long, short = Path("/" + "x" * 90), Path("/" + "x" * 89)
    assert "91 characters" in (path_warning(long, "win32") or "")
    assert path_warning(short, "win32") is None
    assert path_warning(long, "linux") is None


@pytest.mark.parametrize(
    ("code", "part"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be written"), (errno.EACCES, "write to"), (errno.EIO, "/x")],
)
def test_file_errors_are_told_in_one_line(code, part):
    line = str(problem_of(OSError(code, "reason", "/x")))
    assert part in line
    assert "/x" in line


class Server(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404 if "missing" in self.path else 200)
        if "unsized" not in self.path:
            self.send_header("Content-Length", "1500000")
        self.end_headers()

    def log_message(self, *parts: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_sizes_are_asked_of_servers_and_files(address, hostile_folder):
    file = hostile_folder / "torch-2.13.0+cpu.whl"
    file.write_bytes(b"x" * 1000)
    assert download_size([f"{address}/a", f"{address}/b", file.as_uri()]) == 3_001_000


@pytest.mark.parametrize("other", ["/missing", "/unsized"])
def test_a_size_that_cannot_be_learned_is_not_guessed(address, other):
    assert download_size([f"{address}/a", address + other]) is None


def test_an_unknown_kind_of_address_has_no_size():
    assert download_size(["x:y"]) is None
    assert download_size([""]) is None


def test_sizes_as_text():
    assert as_text(234_000_000) == "234 MB"
    assert as_text(3_040_000_000) == "3.0 GB"
