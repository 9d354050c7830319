"""What the parts of a cycle work with, in a small workspace and without a daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_loop.agents.agent import Calls
from llm_loop.config import load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.context import Context
from llm_loop.cycle.ledger import Ledger
from llm_loop.runs.local import LocalEngine
from llm_loop.stages.learn import Memory
from llm_loop.system.clock import SystemClock
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Keepers
from tests.conftest import eventually


@pytest.fixture
def context(workspace: Callable[..., Path]) -> Iterator[Context]:
    root = workspace()
    (root / "repo" / "train.py").write_text("print('old')\n", encoding="utf-8")
    paths, clock, keepers = WorkspacePaths(root), SystemClock(), Keepers()
    config = load_config(root / "config" / "daemon_config.json", root, {})
    memory = Memory(paths, clock, config)
    context = Context(
        paths=paths,
        config=config,
        clock=clock,
        ledger=Ledger(paths, clock, memory.remember, memory.learn),
        memory=memory,
        engine=LocalEngine(keepers),
        calls=Calls(keepers, root),
        jobs=Jobs(keepers, paths.jobs),
    )
    yield context
    context.jobs.end_all()
    eventually(lambda: all(one.poll() is not None for one in keepers._own.values()))
