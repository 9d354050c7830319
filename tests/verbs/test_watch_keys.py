"""The keys of ``watch``: what each does, and a terminal that is left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import utc_text
from llm_loop.verbs.watch_keys import SURE_WITHIN_S, Keys
from llm_loop.views.reading import SnapshotReader
from tests.conftest import TestClock, eventually
from tests.views.workspace_builder import WorkspaceBuilder

posix = pytest.mark.skipif(os.name == "nt", reason="a test has no console there")


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    return WorkspaceBuilder(tmp_path).paths


@pytest.fixture
def keys(paths: WorkspacePaths, clock: TestClock) -> Keys:
    return Keys(paths, SnapshotReader(paths, clock, {}), clock)


def test_pause_and_resume(keys: Keys, paths: WorkspacePaths) -> None:
    assert keys.press("p") == "paused: nothing new is launched" and paths.pause.exists()
    assert keys.press("R") == "resumed" and not paths.pause.exists()


def test_what_ends_something_is_pressed_twice_within_a_while(
    keys: Keys, paths: WorkspacePaths, clock: TestClock
) -> None:
    assert keys.press("s") == "press s again to stop the run that trains" and not paths.stop_current_run.exists()
    clock.advance(SURE_WITHIN_S + 1)
    assert keys.press("s") == "press s again to stop the run that trains" and not paths.stop_current_run.exists()
    assert keys.press("f") == "press f again to finish up now", "another key is no second time"
    assert keys.press("s") == "press s again to stop the run that trains"
    assert keys.press("s") == "the run that trains is asked to end" and paths.stop_current_run.exists()


def test_a_finish_up_is_wished_once(keys: Keys, paths: WorkspacePaths) -> None:
    keys.press("f")
    assert keys.press("f") == "finishing up: the report is there within 60 minutes"
    wished = paths.finish_up.read_bytes()
    assert json.loads(wished)["status"] == "requested" and json.loads(wished)["minutes_left"] == 60
    keys.press("f")
    assert keys.press("f") == "it finishes up already" and paths.finish_up.read_bytes() == wished


def test_the_finish_up_of_the_night_is_brought_forward_as_it_was_wished(
    keys: Keys, paths: WorkspacePaths, clock: TestClock
) -> None:
    opens = clock.utc_now() + timedelta(hours=7)
    told = {"activate_at_utc": utc_text(opens), "minutes_left": 90, "final_training_rounds_target": 3, "note": "mine"}
    paths.finish_up.parent.mkdir(parents=True, exist_ok=True)
    paths.finish_up.write_text(json.dumps(told), encoding="utf-8")
    keys.press("f")
    assert keys.press("f") == "finishing up: the report is there within 90 minutes"
    wished = json.loads(paths.finish_up.read_bytes())
    assert wished["activate_at_utc"] == utc_text(clock.utc_now())
    assert (wished["final_training_rounds_target"], wished["note"]) == (3, "mine")


def test_a_key_that_means_nothing_does_nothing(keys: Keys) -> None:
    assert keys.press("x") is None and keys.press("ä") is None and not keys.wants_to_quit
    keys.press("q")
    assert keys.wants_to_quit


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    import pty

    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@posix
def test_keys_of_a_real_terminal(
    terminal: tuple[int, int], paths: WorkspacePaths, clean_environ: dict[str, str]
) -> None:
    import fcntl
    import termios

    ours, theirs = terminal
    before = termios.tcgetattr(theirs)

    def own_the_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    watch = subprocess.Popen(
        [sys.executable, "-m", "llm_loop", "--workspace", str(paths.root), "watch"],
        env={**clean_environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=own_the_terminal,
    )
    try:
        seen = b""
        while b"keys: p pause" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"p")
        eventually(paths.pause.exists)
        while b"paused: nothing new is launched" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"q")
        assert watch.wait(20) == 0
    finally:
        watch.kill()
        watch.wait()
    assert termios.tcgetattr(theirs) == before, "what is typed next is seen again"
