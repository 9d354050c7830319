from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from llm_loop.system.clock import SystemClock
from llm_loop.views.reading import SnapshotReader
from tests.views.lock_holder import hold_lock
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceBuilder:
    return WorkspaceBuilder(tmp_path / "a workspace")


@pytest.fixture
def reader(workspace: WorkspaceBuilder) -> SnapshotReader:
    return SnapshotReader(workspace.paths, SystemClock(), {})


@pytest.fixture
def hold() -> Iterator[Callable[[WorkspaceBuilder], int]]:
    """Hold a workspace's lock in a process of its own until the test is over; gives its pid."""
    with ExitStack() as stack:
        yield lambda workspace: stack.enter_context(hold_lock(workspace.paths.instance_lock)).pid
