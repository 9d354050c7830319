"""What all tests share: a clock that moves when told, small workspaces, hostile paths, a clean environment."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.windows.marks import mark_for_windows

REPOSITORY = Path(__file__).resolve().parents[1]
FAKES = Path(__file__).resolve().parent / "fakes"


def pytest_configure() -> None:
    """Let children of the tests answer Ctrl-C, also when the tests run in a background job, where it is ignored.

    And let them keep their bytecode: compiling every module again in each of a thousand processes doubles the time.
    And let no width of a terminal reach them: readline leaves one to whatever pytest starts, its workers too.
    """
    for name in ("PYTHONDONTWRITEBYTECODE", "COLUMNS", "LINES"):
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_for_windows(items)


class TestClock:
    """Tell a time that moves only when told."""

    __test__ = False

    def __init__(self) -> None:
        self._utc = datetime(2026, 3, 1, 22, 0, 0, tzinfo=UTC)
        self._monotonic = 1000.0
        self._slept = 0.0

    def utc_now(self) -> datetime:
        return self._utc

    def monotonic(self) -> float:
        return self._monotonic

    def slept(self) -> float:
        return self._slept

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def let_the_machine_sleep(self, seconds: float) -> None:
        """Let the machine sleep: the wall clock goes on, the seconds awake stand still."""
        self._utc += timedelta(seconds=seconds)
        self._slept += seconds

    def advance(self, seconds: float) -> None:
        self._utc += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump_wall_clock(self, seconds: float) -> None:
        """Set the wall clock, as a person or a time server does; durations do not notice."""
        self._utc += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def weird_path(tmp_path: Path) -> Path:
    """A folder whose name breaks what is not quoted: space, quote, brackets, ampersand, umlaut; and long."""
    folder = tmp_path / "it's a [weird] & täst ünd long" / ("x" * 60)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clean_environ() -> dict[str, str]:
    """The environment without the loop's own variables, with this checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}


def make_workspace(root: Path, **settings: Any) -> Path:
    """Make a workspace whose worker and trainer are the fakes of these tests; return its root.

    ``settings`` go into the configuration.
    """
    (root / "repo").mkdir(parents=True)
    (root / "config").mkdir()
    policy = (REPOSITORY / "config" / "command_policy.yaml").read_text(encoding="utf-8")
    (root / "config" / "command_policy.yaml").write_text(policy, encoding="utf-8")
    for name in ("WORKER_MISSION.md", "MENTOR_MISSION.md"):
        (root / name).write_text("# Mission\n", encoding="utf-8")
    value = {
        "training_repo_root": "repo",
        "train_python_exe": sys.executable,
        "search_space": None,
        "worker_command": command_line(FAKES / "fake_worker.py"),
        "mentor_enabled": False,
        "stop_grace_seconds": 2,
        "daemon_poll_seconds": 5,
    } | settings
    (root / "config" / "daemon_config.json").write_text(json.dumps(value, indent=2), encoding="utf-8")
    return root


def command_line(script: Path, *words: str) -> str:
    """Return a command line that runs a Python script of these tests."""
    return " ".join(f'"{word}"' for word in (sys.executable, "-X", "utf8", str(script), *words))


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Path]:
    """A maker of workspaces: ``workspace(mentor_enabled=True)``."""
    return lambda **settings: make_workspace(tmp_path / "work space", **settings)


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until ``condition`` holds and return its value; fail the test when it never does."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, f"not within {seconds} s"
        time.sleep(0.02)
    return value


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fail a test that leaves a child process of its own running."""
    yield
    if os.name == "nt":
        return
    import psutil

    found = [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]
    _, left = psutil.wait_procs(found, timeout=10)  # one that is just ending is no leftover
    for child in left:
        child.kill()
    assert not left, f"left running: {left}"
