"""Files are whole or not at all, and every failure names its file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.system import files
from tests.system.drives import drive, filled


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.name.endswith(".tmp")]


def test_text_goes_through_unchanged(weird_path: Path) -> None:
    path = weird_path / "deep" / "er" / "täst.md"
    text = "ünïcode \N{ROCKET}\nno end\r\nof line"
    files.replace_text(path, text)
    assert path.read_bytes() == text.encode("utf-8")
    path.write_bytes(b"\xef\xbb\xbfwith a mark")
    assert files.read_text(path) == "with a mark"


def test_a_surrogate_is_written_so_that_json_reads_it_back(tmp_path: Path) -> None:
    files.replace_json(tmp_path / "a.json", {"text": "\ud800 x"})
    assert files.read_json(tmp_path / "a.json") == {"text": "\ud800 x"}


def test_json_is_for_people_and_has_no_nan(tmp_path: Path) -> None:
    files.replace_json(tmp_path / "a.json", {"ä": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "ä": [\n    1\n  ]\n}\n'
    for value in (float("nan"), float("inf"), {"x": [float("-inf")]}):
        with pytest.raises(ValueError):
            files.replace_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == {"ä": [1]}
    assert leftovers(tmp_path) == []


def test_line_ends_are_read_as_one_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n")
    assert files.read_text(tmp_path / "a.txt") == "one\ntwo\nthree\n"


def test_large_contents_go_through_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    files.replace_bytes(tmp_path / "a.bin", memoryview(data))
    assert files.read_bytes(tmp_path / "a.bin") == data == (tmp_path / "a.bin").read_bytes()
    files.replace_bytes(tmp_path / "a.bin", b"")
    assert files.read_bytes(tmp_path / "a.bin") == b""


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX'")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_are_for_whom_the_umask_says(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.replace_text(tmp_path / "a.txt", "x")
        files.append_line(tmp_path / "b.txt", "x")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o666 & ~umask}


CORRUPT = {
    "trailing comma": b'{"a": 1,}',
    "empty": b"",
    "not UTF-8": b"\xff\xfe{}",
    "too deep": b"[" * 200_000,
    "too long a number": b"1" * 5000,
    "two values": b"{} {}",
}


@pytest.mark.parametrize("data", CORRUPT.values(), ids=CORRUPT)
def test_corrupt_is_not_missing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "state.json"
    with pytest.raises(FileNotFoundError):
        files.read_json(path)
    path.write_bytes(data)
    with pytest.raises(CorruptFileError) as caught:
        files.read_json(path)
    assert caught.value.path == path and str(path) in str(caught.value)
    aside = files.set_aside(path, "20260301T220000Z")
    assert aside.name == "state.json.corrupt-20260301T220000Z" and aside.read_bytes() == data
    assert not path.exists()


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.replace_text(path, "old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FileWriteError, match=r"cannot write .*a\.txt: Read-only file system"):
        files.replace_text(path, "new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("shared", [True, False])
def test_a_sharing_error_is_waited_out_on_windows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    real, refusals = os.replace, [2]

    def replace(source: str, target: Path) -> None:
        if refusals[0]:
            refusals[0] -= 1
            raise PermissionError(errno.EACCES, "used by another process")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(files, "_FILES_ARE_SHARED", shared)
    if not shared:
        with pytest.raises(FileWriteError):
            files.replace_text(tmp_path / "a.txt", "new")
        assert refusals == [1], "one try"
        return
    files.replace_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new" and leftovers(tmp_path) == []


def test_a_file_held_for_ever_costs_its_second_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, pauses = os.replace, list[float]()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "used by another process")

    monkeypatch.setattr(files, "_FILES_ARE_SHARED", True)
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    monkeypatch.setattr(os, "replace", refuse)
    path = tmp_path / "state.json"
    for _ in range(5):
        with pytest.raises(FileWriteError, match=r"cannot write .*state\.json: used by another process"):
            files.replace_text(path, "new")
    assert 0.9 < sum(pauses) < 1.5, "the first time only"
    with pytest.raises(FileWriteError):
        files.replace_text(tmp_path / "other.json", "new")
    assert 1.8 < sum(pauses) < 3, "each file has a patience of its own"
    monkeypatch.setattr(os, "replace", real)
    files.replace_text(path, "new")
    before = sum(pauses)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FileWriteError):
        files.replace_text(path, "newer")
    assert sum(pauses) - before > 0.9, "once it was free, it is waited for again"
    assert leftovers(tmp_path) == [] and path.read_text(encoding="utf-8") == "new"


def test_a_reader_that_gave_up_costs_the_writer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader soon gives up; the writer still has its second."""
    real, pauses = os.replace, list[float]()
    path = tmp_path / "state.json"
    files.replace_text(path, "old")

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "used by another process")

    def refuse_for_a_while(source: Path, target: Path) -> None:
        if len(pauses) < 20:
            refuse()
        real(source, target)

    monkeypatch.setattr(files, "_FILES_ARE_SHARED", True)
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    with monkeypatch.context() as held:
        held.setattr(os, "open", refuse)
        with pytest.raises(PermissionError):
            files.read_text(path)
    assert 0.05 < sum(pauses) < 0.2
    monkeypatch.setattr(os, "replace", refuse_for_a_while)
    files.replace_text(path, "new")
    assert files.read_text(path) == "new"


def _made(path: Path) -> Path:
    path.write_text(path.name, encoding="utf-8")
    return path


@pytest.mark.parametrize("act", ["replace", "append", "remove"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, act: str) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    path = tmp_path / "file" / "below.txt"
    if act == "remove":
        path = tmp_path / "folder"
        path.mkdir()
    acts = {
        "replace": lambda: files.replace_text(path, "x"),
        "append": lambda: files.append_line(path, "x"),
        "remove": lambda: files.remove(path),
    }
    with pytest.raises(FileWriteError) as caught:
        acts[act]()
    assert caught.value.path == path and str(path) in str(caught.value)


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    files.append_line(path, '{"a": "ä"}')
    files.append_line(path, "two\nlines", durable=False)
    assert path.read_bytes() == '{"a": "ä"}\ntwo\nlines\n'.encode()


def test_a_line_that_could_not_be_made_durable_is_cut_off_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    files.append_line(path, "first")

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileWriteError, match="Input/output error"):
        files.append_line(path, "second")
    monkeypatch.undo()
    assert path.read_bytes() == b"first\n", "nothing was added"


def test_a_full_disk_adds_no_half_line_and_spoils_no_file(small_disk: Path) -> None:
    path, state = small_disk / "events.jsonl", small_disk / "state.json"
    files.append_line(path, "first")
    files.replace_json(state, {"good": True})
    with pytest.raises(FileWriteError, match="No space left"):
        files.append_line(path, "x" * 100_000)
    assert path.read_bytes() == b"first\n"
    with pytest.raises(FileWriteError, match="No space left"):
        files.replace_text(state, "x" * 100_000)
    assert files.read_json(state) == {"good": True} and leftovers(small_disk) == []
    files.append_line(path, "second")
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_missing_file_is_removed_in_peace(tmp_path: Path) -> None:
    files.remove(tmp_path / "gone")
    files.remove(_made(tmp_path / "there"))
    assert list(tmp_path.iterdir()) == []


def test_tails_are_bounded_and_tolerant(tmp_path: Path) -> None:
    assert files.read_tail(tmp_path / "gone", 10) == ""
    (tmp_path / "log").write_bytes(b"x" * 100 + b"\xffend")
    assert files.read_tail(tmp_path / "log", 4) == "�end"
    assert len(files.read_tail(tmp_path / "log", 1000)) == 104


def test_a_signature_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert files.signature(path) is None
    path.write_text("one", encoding="utf-8")
    first = files.signature(path)
    assert first == files.signature(path)
    os.utime(path, ns=(1, 1))
    assert files.signature(path) != first


def test_a_file_is_replaced_as_long_as_it_is_as_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "wish.json"
    files.replace_json(path, {"status": "requested"})
    seen = files.signature(path)
    written = files.replace_text_if(path, "active", lambda: files.signature(path) == seen)
    assert path.read_text(encoding="utf-8") == "active" and written == files.signature(path) != seen
    assert files.replace_text_if(path, "done", lambda: files.signature(path) == seen) is None
    assert path.read_text(encoding="utf-8") == "active" and list(tmp_path.iterdir()) == [path]


def test_what_is_saved_while_a_new_file_is_written_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sync = tmp_path / "wish.json", os.fsync
    files.replace_json(path, {"status": "requested"})
    seen = files.signature(path)

    def sync_while_a_person_saves(handle: int) -> None:
        sync(handle)
        path.write_text("mine", encoding="utf-8")

    monkeypatch.setattr(os, "fsync", sync_while_a_person_saves)
    assert files.replace_text_if(path, "active", lambda: files.signature(path) == seen) is None
    assert path.read_text(encoding="utf-8") == "mine" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_takes_a_heartbeat_in_the_place_of_the_last_one(tmp_path: Path) -> None:
    with drive(tmp_path / "drive") as place:
        path = place / "beat.json"
        files.replace_json_on_full_disk(path, {"number": 1})
        with filled(place):
            for number in range(2, 5):
                files.replace_json_on_full_disk(path, {"number": number, "why": "x" * 200 * number})
                assert files.read_json(path)["number"] == number
            with pytest.raises(FileWriteError):
                files.replace_json_on_full_disk(path, {"number": 5, "why": "x" * 20_000})
            assert files.read_json(path)["number"] == 4
        files.replace_json_on_full_disk(path, {"number": 6})
        assert files.read_json(path) == {"number": 6} and [one.name for one in place.iterdir()] == ["beat.json"]


def test_a_missing_folder_is_not_made_where_that_is_not_wished(tmp_path: Path) -> None:
    acts: list[Callable[[], object]] = [
        lambda: files.replace_json_on_full_disk(tmp_path / "gone" / "a", {}),
        lambda: files.replace_json(tmp_path / "gone" / "a", {}, make_folder=False),
        lambda: files.append_line(tmp_path / "gone" / "a", "x", make_folder=False),
    ]
    for act in acts:
        with pytest.raises(FileWriteError):
            act()
    assert list(tmp_path.iterdir()) == []
