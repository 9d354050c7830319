"""The workpad: two sections, one line a thought."""

from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.workpad import Workpad
from llm_loop.system.clock import SystemClock

AT = "2026-01-02T03:04:05Z"


def opened(folder: Path) -> Workpad:
    return Workpad(WorkspacePaths(folder), SystemClock())


def test_lines_go_to_the_end_of_their_sections(tmp_path: Path) -> None:
    pad = opened(tmp_path)
    pad.add(at_utc=AT, notes="first\n## Data Exploration", data_exploration="digits are 8x8")
    pad.add(at_utc=AT, notes="second")
    pad.add(at_utc=AT, notes="  ", data_exploration="")
    assert pad.path.read_text("utf-8") == (
        "# LLM Workpad\n\n## Notes\n\n"
        f"- [{AT}] first ## Data Exploration\n- [{AT}] second\n\n"
        f"## Data Exploration\n\n- [{AT}] digits are 8x8\n"
    )


def test_the_same_line_is_added_once(tmp_path: Path) -> None:
    opened(tmp_path).add(at_utc=AT, notes="once")
    assert not opened(tmp_path).add(at_utc=AT, notes="once").changed
    assert opened(tmp_path).add(at_utc="2026-01-02T03:04:06Z", notes="once").changed


def test_a_line_is_cut_at_500_characters(tmp_path: Path) -> None:
    pad = opened(tmp_path)
    pad.add(at_utc=AT, notes="n" * 2000)
    line = next(line for line in pad.read().split("\n") if line.startswith("- ["))
    assert line == f"- [{AT}] " + "n" * 499 + "…"


def test_a_person_writes_in_between(tmp_path: Path) -> None:
    pad = opened(tmp_path)
    pad.add(at_utc=AT, notes="loop")
    mine = f"Free words.\r\n## Notes\r\n1. mine\r\n- [{AT}] loop, corrected by me\r\n\r\n## Mine\r\nlast"
    pad.path.write_bytes(mine.encode())
    written = pad.add(at_utc=AT, notes="next", data_exploration="seen")
    assert written.human_edit is not None and written.human_edit.text == mine
    assert (
        pad.path.read_bytes().decode()
        == mine.replace("by me\r\n", f"by me\r\n- [{AT}] next\r\n")
        + f"\r\n\r\n## Data Exploration\r\n\r\n- [{AT}] seen\r\n"
    )
