"""Bring an environment back to what a record says it was.

Only the packages of that install are touched: pip was given exactly those and no dependencies. What was added is
uninstalled; what was replaced comes back from the wheels that were kept. What a killed pip left half-written is moved
out of the environment, beside the record, where a person can look at it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llm_loop.errors import LoopError
from llm_loop.repairs.environment import Environment, check_is_foreign, look_at, pip_of
from llm_loop.repairs.plan import Step
from llm_loop.repairs.record import Record, RecordState, kept_wheels, left_over
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.work import Work, pip_environment
from llm_loop.system.folders import make_folder


def undo(record: Record, path: Path, work: Work) -> Environment:
    """Undo an install and write so into its record; return the environment after it.

    Raises RepairRefused with UNDO_FAILED when the environment is not as it was. The record says so too, unless the
    undo was stopped or had no time: it then waits for the next one.
    """
    try:
        environment = _bring_back(record, path, work)
    except LoopError as error:
        if not isinstance(error, RepairRefused) or error.reason not in (Reason.STOPPED, Reason.DEADLINE):
            record.now(RecordState.UNDO_FAILED).write(path)
        raise RepairRefused(Reason.UNDO_FAILED, f"the install could not be taken back: {error}") from error
    record.now(RecordState.UNDONE).write(path)
    return environment


def _bring_back(record: Record, path: Path, work: Work) -> Environment:
    now = look_at(record.python, work)
    if os.path.normcase(now.prefix) != os.path.normcase(record.prefix):
        raise RepairRefused(Reason.UNDO_FAILED, f"{record.python} is another environment now ({now.prefix})")
    check_is_foreign(now)  # the record has lain where a run may write
    added = [step for step in record.steps if step.replaces is None and step.name in now.packages]
    _uninstall([step.name for step in added], now, work)
    _reinstall([step for step in record.steps if _is_replaced(step, now)], now, path, work)
    if not record.was_whole:
        _move_leftovers(record, path, work)
    after = look_at(record.python, work)
    wrong = [step.name for step in record.steps if _version(after, step.name) != record.before.get(step.name)]
    if wrong:
        raise RepairRefused(
            Reason.UNDO_FAILED, f"{', '.join(wrong)} of {record.prefix} is not as it was; the log says why"
        )
    return after


def _is_replaced(step: Step, now: Environment) -> bool:
    return step.replaces is not None and _version(now, step.name) != step.replaces.version


def _version(environment: Environment, name: str) -> str | None:
    found = environment.packages.get(name)
    return None if found is None else found.version


def _uninstall(names: Sequence[str], now: Environment, work: Work) -> None:
    if names:
        _pip([*pip_of(now), "uninstall", "--yes", *names], work)


def _reinstall(steps: Sequence[Step], now: Environment, path: Path, work: Work) -> None:
    if not steps:
        return
    exact = [f"{step.name}=={step.replaces.version}" for step in steps if step.replaces is not None]
    kept = ["--no-index", "--find-links", str(kept_wheels(path))]
    _pip([*pip_of(now), "install", "--no-deps", "--force-reinstall", *kept, *exact], work)


def _pip(argv: Sequence[str], work: Work) -> None:
    """Run pip; what it could not do shows in the look at the environment that follows."""
    work.note(f"$ {' '.join(argv)}")
    work.run(argv, pip_environment(), what="pip")


def _move_leftovers(record: Record, path: Path, work: Work) -> None:
    """Move what an interrupted install left in the environment's folders to a folder beside the record."""
    now = look_at(record.python, work)
    known = {place: {os.path.normcase(name) for name in names} for place, names in record.entries.items()}
    for place, names in now.entries.items():
        for name in (name for name in names if place in known and os.path.normcase(name) not in known[place]):
            target = left_over(path) / Path(place).name
            with suppress(OSError):  # what cannot be moved is named by the look that follows, if it matters
                make_folder(target)
                shutil.move(Path(place) / name, target / name)
                work.note(f"moved {Path(place) / name} to {target}")
