"""What ``llm-loop doctor`` looks at, in the order of its lines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from llm_loop.agents.codex_login import login_status
from llm_loop.checks import codex as codex_checks
from llm_loop.checks import dry_decision, network, programs, workspace
from llm_loop.checks.check import Check, ok, problem
from llm_loop.checks.notification import check_notification
from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.dry_decision import decide_once
from llm_loop.errors import LoopError
from llm_loop.stages.launch import training_python
from llm_loop.system.clock import SystemClock


def all_checks(arguments: argparse.Namespace) -> Iterator[Check]:
    """Return the findings, each as soon as it is there."""
    paths = WorkspacePaths(arguments.workspace)
    config, said = workspace.check_config(arguments.workspace / arguments.config, paths.root, os.environ)
    yield programs.check_python()
    yield from said
    yield from _guarded("locks", lambda: [workspace.check_locks(paths)])
    yield workspace.check_instance(paths)
    yield programs.check_git()
    if config is None:
        return
    yield from _guarded("disk", lambda: [workspace.check_disk(paths, config)])
    yield workspace.check_repository(config)
    yield workspace.check_data(config)
    yield from check_notification(config)
    _say("asking the Python of trainings for torch ...")
    yield from _guarded("torch", lambda: programs.check_torch(training_python(config)))
    if not codex_checks.is_asked(config):
        yield ok("codex", "not asked by this configuration")
    else:
        yield from _codex(arguments, config, paths)
    if arguments.try_decision:
        _say("asking for a decision ...")
        decide = partial(decide_once, paths, config, os.environ, SystemClock())
        yield from _guarded("decision", lambda: [dry_decision.try_decision(paths, decide)])


def _codex(arguments: argparse.Namespace, config: Config, paths: WorkspacePaths) -> Iterator[Check]:
    codex, said = codex_checks.check_client(config, paths, os.environ)
    yield said
    if codex is None:
        return
    try:
        status = login_status(codex.path, paths.codex_home)
    except LoopError as error:
        yield problem("codex login", str(error), "try again; `llm-loop login` makes a new one")
    else:
        yield codex_checks.login_check(status, paths, os.environ)
        yield network.check_network(network.service_address(paths.codex_home, status.how))
    _say("trying the sandbox ...")
    yield codex_checks.check_sandbox(codex, config, paths, may_set_up=arguments.set_up_sandbox)


def _guarded(name: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return what a check found; one that cannot even look is a problem of its own."""
    try:
        return list(check())
    except (LoopError, OSError) as error:
        return [problem(name, f"it cannot be looked at: {error}", "mend what it says, then try again")]


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
