"""A file that grows all night: appended cheaply, read again only when somebody else wrote."""

import re
from pathlib import Path

import pytest

from llm_loop.errors import FileWriteError
from llm_loop.memory.growing_file import GrowingFile
from llm_loop.memory.markdown_file import EditKind, MarkdownFile
from llm_loop.system import files
from llm_loop.system.clock import SystemClock


def opened(folder: Path) -> GrowingFile:
    key = re.compile(r"^- key=(\S+)", re.MULTILINE)
    return GrowingFile(folder / "story.md", folder / "kept", start="# Story\n", key=key, clock=SystemClock())


def add(story: GrowingFile, key: str) -> bool:
    return story.append(key, f"- key={key}\n").changed


def content(folder: Path) -> str:
    return (folder / "story.md").read_bytes().decode("utf-8")


def test_blocks_follow_each_other_once(tmp_path: Path) -> None:
    story = opened(tmp_path)
    assert [add(story, key) for key in ("a", "b", "a", "c")] == [True, True, False, True]
    assert content(tmp_path) == "# Story\n\n- key=a\n\n- key=b\n\n- key=c\n"
    again = opened(tmp_path)
    assert again.hand_edit() is None
    assert [add(again, key) for key in ("b", "d")] == [False, True]
    assert again.hand_edit() is None
    assert opened(tmp_path).hand_edit() is None


def test_an_untouched_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = opened(tmp_path)
    add(story, "a")
    add(story, "b")

    def read(_: MarkdownFile) -> None:
        raise AssertionError("the whole file was read")

    monkeypatch.setattr(MarkdownFile, "see", read)
    assert add(story, "c") and not add(story, "a")
    assert story.hand_edit() is None


def test_a_persons_text_stays_and_is_reported(tmp_path: Path) -> None:
    story = opened(tmp_path)
    add(story, "a")
    add(story, "b")
    mine = "\ufeffmy title\r\n\r\n- key=b\r\nno line end"
    (tmp_path / "story.md").write_bytes(mine.encode())
    written = story.append("c", "- key=c\n  - more\n")
    assert written.human_edit is not None and written.human_edit.text == mine[1:]
    assert content(tmp_path) == mine + "\r\n\r\n- key=c\r\n  - more\r\n"
    assert not add(story, "a"), "what a person took out stays out"
    assert opened(tmp_path).hand_edit() is None
    assert add(story, "d")
    assert content(tmp_path).endswith("- key=c\r\n  - more\r\n\r\n- key=d\r\n")


def test_an_edit_seen_by_a_look_is_not_told_twice(tmp_path: Path) -> None:
    story = opened(tmp_path)
    add(story, "a")
    (tmp_path / "story.md").write_text("mine\n", encoding="utf-8", newline="\n")
    assert story.hand_edit() is not None
    story.accept()
    assert story.append("b", "- key=b\n").human_edit is None
    assert content(tmp_path) == "mine\n\n- key=b\n"


@pytest.mark.parametrize("act", ["delete", "empty", "break"])
def test_a_lost_file_begins_anew(tmp_path: Path, act: str) -> None:
    story = opened(tmp_path)
    add(story, "a")
    add(story, "b")
    path = tmp_path / "story.md"
    path.unlink() if act == "delete" else path.write_bytes(b"" if act == "empty" else b"\xff\xff")
    edit = story.append("c", "- key=c\n").human_edit
    kinds = {"delete": EditKind.DELETED, "empty": EditKind.CHANGED, "break": EditKind.UNREADABLE}
    assert edit is not None and edit.kind is kinds[act]
    add(story, "d")
    assert content(tmp_path) == "# Story\n\n- key=c\n\n- key=d\n"
    assert opened(tmp_path).hand_edit() is None


def test_an_append_cut_short_is_an_error_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = opened(tmp_path)
    add(story, "a")
    add(story, "b")

    def short(path: Path, line: str, *, durable: bool = True) -> None:
        with path.open("ab") as stream:
            stream.write(line.encode()[:4])

    monkeypatch.setattr(files, "append_line", short)
    with pytest.raises(FileWriteError, match="cut short"):
        add(story, "c")
    monkeypatch.undo()
    assert add(story, "c")
    assert content(tmp_path).endswith("\n\n- key=c\n")
    assert "- key=a\n\n- key=b\n" in content(tmp_path)


def test_somebody_who_appends_at_the_same_time_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = opened(tmp_path)
    add(story, "a")
    add(story, "b")
    original = files.append_line

    def both(path: Path, line: str, *, durable: bool = True) -> None:
        original(path, line, durable=durable)
        original(path, "mine", durable=durable)

    monkeypatch.setattr(files, "append_line", both)
    add(story, "c")
    monkeypatch.undo()
    edit = story.hand_edit()
    assert edit is not None and edit.text.endswith("- key=c\nmine\n")


def test_the_record_of_what_was_written_stays_small(tmp_path: Path) -> None:
    story = opened(tmp_path)
    for number in range(600):
        add(story, f"k{number}")
    assert (tmp_path / "kept" / "story.md.last.jsonl").stat().st_size < 70_000
    assert opened(tmp_path).hand_edit() is None
