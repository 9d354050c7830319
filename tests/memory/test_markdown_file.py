"""The loop and a person write the same file; neither loses a letter."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_loop.errors import FileWriteError
from llm_loop.memory import kept_versions
from llm_loop.memory.markdown_file import EditKind, MarkdownFile
from llm_loop.system import files

START = "# Pad\n"
as_root = hasattr(os, "geteuid") and os.geteuid() == 0


class MovedClock:
    """Move only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def utc_now(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def slept(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def pad(tmp_path: Path, clock: MovedClock) -> MarkdownFile:
    return reopened(tmp_path, clock)


def reopened(folder: Path, clock: MovedClock) -> MarkdownFile:
    """Open the file as a daemon does that was started anew."""
    return MarkdownFile(folder / "artifacts" / "pad.md", folder / "kept", start=START, clock=clock)


def add(pad: MarkdownFile, line: str) -> object:
    return pad.rewrite(lambda text: f"{text}{line}\n").human_edit


def kept(pad: MarkdownFile) -> list[str]:
    return [path.read_bytes().decode() for path in sorted((pad.path.parent.parent / "kept").glob("pad-*.md"))]


def test_what_the_loop_wrote_is_no_hand_edit(pad: MarkdownFile, tmp_path: Path, clock: MovedClock) -> None:
    assert pad.hand_edit() is None
    assert add(pad, "a") is None
    assert add(pad, "b") is None
    assert pad.path.read_bytes() == b"# Pad\na\nb\n"
    assert pad.hand_edit() is None
    assert reopened(tmp_path, clock).hand_edit() is None
    assert kept(pad) == []


def test_nothing_is_written_when_nothing_changes(pad: MarkdownFile) -> None:
    assert not pad.rewrite(lambda text: text).changed
    assert not pad.path.exists()
    assert pad.ensure().changed
    assert not pad.ensure().changed
    assert pad.read() == START


def test_reading_costs_one_look_and_follows_every_hand(pad: MarkdownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda path: (read.append(path), real(path))[1])
    assert [pad.read(), pad.read()] == ["", ""]
    add(pad, "a")
    assert [pad.read(), pad.read()] == ["# Pad\na\n"] * 2
    before = len(read)
    assert pad.read() == "# Pad\na\n" and len(read) == before, "as it was: not opened"
    pad.path.write_text("# Pad\nb\n", encoding="utf-8", newline="")  # no longer and no shorter
    os.utime(pad.path, ns=(1, 1))
    assert pad.read() == "# Pad\nb\n"
    other = pad.path.with_name("other")
    other.write_text("# Pad\nc\n", encoding="utf-8", newline="")
    os.utime(other, ns=(1, 1))
    other.replace(pad.path)
    assert pad.read() == "# Pad\nc\n", "an editor that replaces"
    add(pad, "d")
    assert pad.read() == "# Pad\nc\nd\n" and kept(pad) == ["# Pad\nc\n"]
    pad.path.unlink()
    assert pad.read() == ""


def test_a_persons_edit_is_reported_once_kept_and_merged(pad: MarkdownFile, tmp_path: Path, clock: MovedClock) -> None:
    add(pad, "a")
    mine = "my words\r\n# Pad\r\na\r\n  indented  \r\n"
    pad.path.write_bytes(b"\xef\xbb\xbf" + mine.encode())
    edit = pad.hand_edit()
    assert edit is not None
    assert (edit.kind, edit.text, edit.path) == (EditKind.CHANGED, mine, pad.path)
    assert pad.hand_edit() is None
    assert add(pad, "b") is None
    assert pad.path.read_bytes() == (mine + "b\n").encode()
    assert kept(pad) == ["\ufeff" + mine]
    assert reopened(tmp_path, clock).hand_edit() is None


def test_an_edit_between_look_and_write_comes_with_the_write(pad: MarkdownFile) -> None:
    add(pad, "a")
    pad.hand_edit()
    pad.path.write_text("mine\n", encoding="utf-8", newline="\n")
    edit = add(pad, "b")
    assert edit is not None and edit.text == "mine\n"  # type: ignore[attr-defined]
    assert pad.read() == "mine\nb\n"
    assert pad.hand_edit() is None


def test_an_edit_that_was_not_accepted_is_told_again_after_a_restart(
    pad: MarkdownFile, tmp_path: Path, clock: MovedClock
) -> None:
    add(pad, "a")
    pad.path.write_text("mine\n", encoding="utf-8", newline="\n")
    assert pad.hand_edit() is not None
    again = reopened(tmp_path, clock)
    assert again.hand_edit() is not None
    again.accept()
    assert reopened(tmp_path, clock).hand_edit() is None
    assert kept(pad) == ["mine\n"]


def test_accept_takes_nothing_that_was_not_returned(pad: MarkdownFile) -> None:
    add(pad, "a")
    pad.path.write_text("mine\n", encoding="utf-8", newline="\n")
    pad.hand_edit()
    pad.path.write_text("mine, and later\n", encoding="utf-8", newline="\n")
    pad.accept()
    edit = pad.hand_edit()
    assert edit is not None and edit.text == "mine, and later\n"


def test_a_save_during_the_write_is_merged(pad: MarkdownFile) -> None:
    add(pad, "a")
    saves = iter(["saved meanwhile\n"])

    def change(text: str) -> str:
        for saved in saves:
            pad.path.write_text(saved, encoding="utf-8", newline="\n")
        return text + "b\n"

    edit = pad.rewrite(change).human_edit
    assert edit is not None and edit.text == "saved meanwhile\n"
    assert pad.read() == "saved meanwhile\nb\n"


def test_a_save_while_the_new_text_goes_to_the_disk_is_merged(
    pad: MarkdownFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(pad, "a")
    pad.path.write_text("mine\n", encoding="utf-8", newline="\n")
    sync, saves = os.fsync, iter(["saved meanwhile\n"])

    def sync_while_a_person_saves(handle: int) -> None:
        sync(handle)
        if list(pad.path.parent.glob(".pad.md.*.tmp")):
            for saved in saves:
                pad.path.write_text(saved, encoding="utf-8", newline="\n")

    monkeypatch.setattr(os, "fsync", sync_while_a_person_saves)
    add(pad, "b")
    assert pad.read() == "saved meanwhile\nb\n" and next(saves, None) is None
    assert not list(pad.path.parent.glob(".*"))


@pytest.mark.parametrize("emptied", [b"", b"\xef\xbb\xbf", b"\r\n \n"])
def test_an_emptied_file_begins_anew(pad: MarkdownFile, emptied: bytes) -> None:
    add(pad, "a")
    pad.path.write_bytes(emptied)
    edit = add(pad, "b")
    assert edit is not None and edit.kind is EditKind.CHANGED  # type: ignore[attr-defined]
    assert pad.read() == "# Pad\nb\n"


def test_a_deleted_file_begins_anew(pad: MarkdownFile) -> None:
    add(pad, "a")
    pad.path.unlink()
    edit = pad.hand_edit()
    assert edit is not None and (edit.kind, edit.text) == (EditKind.DELETED, "")
    assert pad.hand_edit() is None
    add(pad, "b")
    assert pad.read() == "# Pad\nb\n"


def test_bytes_that_are_no_utf8_are_set_aside_and_named(pad: MarkdownFile, tmp_path: Path, clock: MovedClock) -> None:
    add(pad, "a")
    for content in (b"gr\xfc\xdfe", b"\xff\xfem\x00"):
        pad.path.write_bytes(content)
        edit = pad.hand_edit()
        assert edit is not None and edit.kind is EditKind.UNREADABLE and edit.error is not None
        assert edit.error.path.read_bytes() == content
        assert str(edit.error.path) in str(edit.error)
    assert len(list(pad.path.parent.glob("pad.md.corrupt-*"))) == 2
    assert reopened(tmp_path, clock).hand_edit() is None
    assert add(pad, "b") is None
    assert pad.read() == "# Pad\nb\n"


def test_a_file_from_before_is_a_persons(tmp_path: Path, clock: MovedClock) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "pad.md").write_text("from an older night\n", encoding="utf-8", newline="\n")
    edit = reopened(tmp_path, clock).hand_edit()
    assert edit is not None and edit.text == "from an older night\n"


@pytest.mark.parametrize("record", [b"", b"{\n", b"[]\n", b"3\n", b"\xff\n", b"[\n[", b'["ab'])
def test_a_broken_record_makes_no_crash(pad: MarkdownFile, tmp_path: Path, clock: MovedClock, record: bytes) -> None:
    add(pad, "a")
    (tmp_path / "kept" / "pad.md.last.jsonl").write_bytes(record)
    again = reopened(tmp_path, clock)
    assert again.hand_edit() is not None
    add(again, "b")
    assert pad.read() == "# Pad\na\nb\n"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_crash_around_the_replacement_makes_no_hand_edit(
    pad: MarkdownFile, tmp_path: Path, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    add(pad, "a")
    original = files.replace_text_if

    def dies(path: Path, text: str, is_as_seen: Callable[[], bool], *, durable: bool = True) -> None:
        if replaced:
            assert original(path, text, is_as_seen, durable=durable)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "replace_text_if", dies)
    with pytest.raises(KeyboardInterrupt):
        add(pad, "b")
    monkeypatch.undo()
    again = reopened(tmp_path, clock)
    assert again.hand_edit() is None
    assert again.read() == ("# Pad\na\nb\n" if replaced else "# Pad\na\n")


def test_a_write_that_fails_still_owes_the_edit(pad: MarkdownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    add(pad, "a")
    pad.path.write_text("mine\n", encoding="utf-8", newline="\n")

    def full(path: Path, *_: object, **__: object) -> None:
        raise FileWriteError(path, "write", OSError(28, "No space left on device"))

    monkeypatch.setattr(files, "replace_text_if", full)
    with pytest.raises(FileWriteError, match="No space left"):
        add(pad, "b")
    monkeypatch.undo()
    assert pad.read() == "mine\n"
    edit = add(pad, "b")
    assert edit is not None and edit.text == "mine\n"  # type: ignore[attr-defined]


def test_a_file_that_cannot_be_read_or_replaced_is_a_file_write_error(pad: MarkdownFile) -> None:
    pad.path.mkdir(parents=True)
    with pytest.raises(FileWriteError, match=r"cannot read .*pad\.md"):
        add(pad, "a")


@pytest.mark.skipif(as_root or os.name == "nt", reason="root writes everywhere; Windows has no folder modes")
def test_a_read_only_folder_is_a_file_write_error(pad: MarkdownFile) -> None:
    add(pad, "a")
    pad.path.parent.chmod(0o500)
    try:
        with pytest.raises(FileWriteError):
            add(pad, "b")
    finally:
        pad.path.parent.chmod(0o700)
    assert pad.read() == "# Pad\na\n"


def test_kept_versions_go_after_a_day_and_beyond_their_number(pad: MarkdownFile, clock: MovedClock) -> None:
    for number in range(kept_versions.KEPT_VERSIONS + 5):
        pad.path.parent.mkdir(exist_ok=True)
        pad.path.write_text(f"mine {number}\n", encoding="utf-8", newline="\n")
        add(pad, "x")
        clock.sleep(60)
    assert len(kept(pad)) == kept_versions.KEPT_VERSIONS
    assert kept(pad)[-1] == "mine 24\n"
    foreign = pad.path.parent.parent / "kept" / "pad-mine.md"
    foreign.write_text("a person's own", encoding="utf-8", newline="\n")
    clock.sleep(90_000)
    pad.path.write_text("the next day\n", encoding="utf-8", newline="\n")
    add(pad, "x")
    assert sorted(kept(pad)) == ["a person's own", "the next day\n"]


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_nobody_waits_at_a_pipe(pad: MarkdownFile) -> None:
    pad.path.parent.mkdir()
    os.mkfifo(pad.path)
    for act in (pad.hand_edit, pad.read, lambda: add(pad, "a")):
        with pytest.raises(FileWriteError, match="no regular file"):
            act()


def test_a_record_that_cannot_be_read_makes_the_file_a_persons(tmp_path: Path, clock: MovedClock) -> None:
    (tmp_path / "kept").write_text("in the way", encoding="utf-8", newline="\n")
    with pytest.raises(FileWriteError):
        add(reopened(tmp_path, clock), "a")
