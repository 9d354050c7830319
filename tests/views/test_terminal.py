"""The screen: nothing wraps, nothing foreign gets through, and old consoles can show it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from llm_loop.views.reading import SnapshotReader
from llm_loop.views.screen import draw
from llm_loop.views.snapshot import Snapshot
from llm_loop.views.terminal import LiveScreen, print_screen, screen_console
from llm_loop.views.wording import ASCII, UNICODE, typed
from tests.views.workspace_builder import PASSED, WorkspaceBuilder, a_decision, a_review

Hold = Callable[[WorkspaceBuilder], int]
EVIL = "[bold red]x[/] \x1b[2J\x1b]0;owned\x07 漢字" + "y" * 400


@pytest.fixture
def busy(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> Snapshot:
    """A loop that trains, plans ahead, was challenged, and had trouble."""
    for number in range(10):
        run = workspace.stage(f"run-{number}", mentor=a_review(critique=f"off_track: {EVIL}") if number % 3 else None)
        workspace.launch(run)
        workspace.end(run, 0.5 - 0.01 * number)
    running = workspace.stage("[red]label[/red]")
    workspace.launch(running)
    workspace.stage("the-next-one")
    workspace.ledger.record("error", why=f"trouble {EVIL}")
    workspace.save()
    progress = {"epoch": 5, "epochs": 20, "loss": 0.5, "value": 0.25, "best": 0.2, "curve": [0.4, 0.2, 0.25]}
    progress |= {"age_s": 70.0, "silent_s": 65.0, "eta_s": 9.0}
    beat: dict[str, Any] = {"runs": {running.run_id: progress}, "holds": {"disk": EVIL}, "error": EVIL}
    workspace.beat(pid=hold(workspace), **beat)
    return reader.take()


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_no_line_is_wider_than_the_terminal(width: int, busy: Snapshot) -> None:
    for glyphs in (UNICODE, ASCII):
        lines = draw(busy, width, None, glyphs)
        assert lines and max(line.cell_len for line in lines) <= width


@pytest.mark.parametrize("height", [5, 12, 24, 40])
def test_the_view_is_no_higher_than_the_terminal(height: int, busy: Snapshot) -> None:
    assert len(draw(busy, 80, height, UNICODE)) <= height


def test_what_the_screen_says(busy: Snapshot) -> None:
    page = "\n".join(line.plain for line in draw(busy, 160, None, UNICODE))
    for words in (
        "running since",
        f"no Codex login: the built-in planner decides; log in with `{typed('login')}`",
        "epoch 5/20",
        "9 s left",
        "val_log_loss 0.25",
        "best 0.2",
        "silent for 1 min",
        "█▁▃",
        "the-next-one",
        "Decisions  val_log_loss",
        "completed 0.41 (best so far, -0.01)",
        "gate passed",
        "mentor: challenge",
        "smaller is better",
        "holding (disk)",
        "[red]label[/red]",
        "trouble [bold red]x[/] 漢字",
    ):
        assert words in page, words


def test_foreign_texts_do_nothing_to_the_terminal(busy: Snapshot) -> None:
    stream = io.StringIO()
    print_screen(screen_console(stream), busy)
    assert "\x1b" not in stream.getvalue() and "owned" not in stream.getvalue()
    assert all(cell_len(line) <= 120 for line in stream.getvalue().splitlines())


def test_columns_is_obeyed_in_a_pipe(busy: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    print_screen(screen_console(stream), busy)
    assert max(cell_len(line) for line in stream.getvalue().splitlines()) <= 40


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii"])
def test_an_old_console_gets_ascii_drawings(encoding: str, busy: Snapshot) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    print_screen(screen_console(stream), busy)
    stream.flush()
    page = raw.getvalue().decode(encoding)
    assert "#####---------------  epoch 5/20" in page and "@_-" in page


def test_colour_only_on_a_terminal_that_wants_it(busy: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    print_screen(screen_console(coloured), busy)
    assert re.search(r"\x1b\[[\d;]*3\dm", coloured.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    print_screen(screen_console(plain), busy)
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain.getvalue())


def test_the_live_view_leaves_its_last_picture(busy: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with LiveScreen(screen_console(stream)) as live:
        live.say("cannot look: \x1b[2Jno")
        live.close(busy)
    text = stream.getvalue()
    assert "\x1b[2J" not in text and "\x1b[?1049h" not in text
    assert text.rfind("Leaderboard") > text.rfind("cannot look") and text.rstrip("\n").endswith("\x1b[?25h")


def test_an_empty_workspace_is_drawn(reader: SnapshotReader) -> None:
    page = "\n".join(line.plain for line in draw(reader.take(), 80, None, UNICODE))
    assert "never started here" in page


def test_runs_that_all_fail_are_said_aloud(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    for number in range(3):
        page = "\n".join(line.plain for line in draw(reader.take(), 100, None, UNICODE))
        assert "runs failed" not in page
        run = workspace.stage(f"run-{number}")
        workspace.launch(run)
        workspace.end(run, None, state="failed", cause="exit_code_3", detail=f"images {number}: no such folder")
        workspace.save()
    page = "\n".join(line.plain for line in draw(reader.take(), 100, None, UNICODE))
    assert "the last 3 runs failed; the last one: images 2: no such folder" in page
    assert "      images 0: no such folder" in page


def test_the_same_reason_is_shown_once(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    issue = {"code": "no_label", "message": "no label", "fix": "give one"}
    blocked = PASSED | {"blocked": True, "issues": ["no_label"], "details": [issue]}
    of = workspace.open_cycle()
    for _ in range(2):
        workspace.propose(of, a_decision("it"), blocked)
    workspace.wait(of, "every proposal was refused or unusable")
    workspace.save()
    page = "\n".join(line.plain for line in draw(reader.take(), 100, None, UNICODE))
    assert page.count("no_label: no label; mend: give one") == 1 and "gate: 2 refused" in page
