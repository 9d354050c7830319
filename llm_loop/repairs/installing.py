"""One install, step by step: look, dry run, keep what would be replaced, record, install, verify; else take it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.errors import CorruptFileError, LoopError
from llm_loop.repairs import import_child
from llm_loop.repairs.environment import Environment, check_is_foreign, look_at, pip_of
from llm_loop.repairs.in_use import sole_use
from llm_loop.repairs.pip_failures import failure_of
from llm_loop.repairs.plan import Step, Wanted, exact_lines, pins, read_plan
from llm_loop.repairs.record import Record, RecordState, kept_wheels
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.request import UNDO_S, InstallRequest
from llm_loop.repairs.undoing import undo
from llm_loop.repairs.work import Work, pip_environment
from llm_loop.system import files

_VERIFY_S = 180.0
_IMPORT_CHILD = Path(import_child.__file__)
_TAIL_BYTES = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Hold what an install did: the environment before and after it, its steps; no steps: all was there already."""

    before: Environment
    after: Environment
    steps: tuple[Step, ...]


class Failed(LoopError):
    """Say why an install was refused or failed; ``steps`` are those that were tried and taken back."""

    def __init__(self, error: RepairRefused, steps: tuple[Step, ...] = ()) -> None:
        self.error = error
        self.steps = steps
        super().__init__(str(error))


def install(request: InstallRequest, work: Work) -> Installation:
    """Install what a request names into its environment. Raises Failed; the environment is then as it was."""
    try:
        with sole_use(request.python, request.in_use_by):
            return _install(request, work)
    except RepairRefused as error:
        raise Failed(error) from error


def _install(request: InstallRequest, work: Work) -> Installation:
    before = look_at(request.python, work)
    check_is_foreign(before)
    pip = pip_of(before)
    steps = _dry_run(request, before, pip, work)
    if not steps:
        _verify(request, work)
        return Installation(before=before, after=before, steps=())
    _keep_replaced(steps, request, pip, work)
    record = Record.of(before, steps)
    record.write(request.record)
    try:
        _carry_out(request, steps, pip, work)
        after = _verified(request, before, steps, work)
    except LoopError as error:
        failed = _take_back(_as_refusal(error), record, request, work)
        raise Failed(failed, steps) from error
    record.now(RecordState.INSTALLED).write(request.record)
    return Installation(before=before, after=after, steps=steps)


def _dry_run(request: InstallRequest, before: Environment, pip: Sequence[str], work: Work) -> tuple[Step, ...]:
    """Return what pip would do: without touching anything that is installed, or at least nothing that is protected."""
    try:
        return _planned(request, before, pip, work, pins(before))
    except RepairRefused as error:
        if error.reason not in (Reason.CONFLICT, Reason.NOT_AVAILABLE, Reason.PROTECTED, Reason.PIP_FAILED):
            raise
        work.note(f"{error}; once more, with only the protected packages held")
        return _planned(request, before, pip, work, pins(before, request.protected))


def _planned(
    request: InstallRequest, before: Environment, pip: Sequence[str], work: Work, constraints: str
) -> tuple[Step, ...]:
    report, held = work.folder / "pip-report.json", work.folder / "constraints.txt"
    files.replace_text(held, constraints, durable=False)
    files.remove(report)
    argv = [*pip, "install", "--dry-run", "--report", str(report), "--constraint", str(held), *_binary(request)]
    _pip([*argv, *_named(request)], request, work, what="pip's dry run")
    try:
        value = files.read_json(report)
    except (OSError, CorruptFileError) as error:
        raise RepairRefused(Reason.PIP_FAILED, f"pip's dry run left no report: {error}") from error
    wanted = Wanted(
        names=frozenset(one.name for one in request.requirements),
        protected=request.protected,
        source=None if request.source is None else request.source.folder,
        allow_source=request.allow_source,
    )
    return read_plan(value, before, wanted)


def _named(request: InstallRequest) -> list[str]:
    names = [str(one) for one in request.requirements]
    return names if request.source is None else [*names, *_source(request)]


def _source(request: InstallRequest) -> list[str]:
    if request.source is None:
        return []
    return ["--editable", str(request.source.folder)] if request.source.editable else [str(request.source.folder)]


def _binary(request: InstallRequest) -> list[str]:
    return [] if request.allow_source else ["--only-binary", ":all:"]


def _keep_replaced(steps: Sequence[Step], request: InstallRequest, pip: Sequence[str], work: Work) -> None:
    """Fetch the wheels of what would be replaced: an undo needs them, and an index may forget them."""
    replaced = [step.replaces for step in steps if step.replaces is not None]
    if not replaced:
        return
    exact = [f"{one.name}=={one.version}" for one in replaced]
    target = kept_wheels(request.record)
    argv = [*pip, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(target), *exact]
    try:
        _pip(argv, request, work, what="keeping what would be replaced")
    except RepairRefused as error:
        if error.reason in (Reason.DEADLINE, Reason.STOPPED):
            raise
        message = f"{', '.join(exact)} would be replaced and cannot be had again, so there would be no way back"
        raise RepairRefused(Reason.CANNOT_UNDO, message) from error


def _carry_out(request: InstallRequest, steps: Sequence[Step], pip: Sequence[str], work: Work) -> None:
    """Install exactly the steps, no dependencies: those are steps themselves."""
    exact = [step for step in steps if not step.is_source]
    if exact:
        wanted = work.folder / "exact.txt"
        files.replace_text(wanted, exact_lines(exact), durable=False)
        work.note(exact_lines(exact).rstrip("\n"))
        argv = [*pip, "install", "--no-deps", *_binary(request), "--requirement", str(wanted)]
        _pip(argv, request, work, what="pip")
    if any(step.is_source for step in steps):
        argv = [*pip, "install", "--no-deps", *_binary(request), *_source(request)]
        _pip(argv, request, work, what="pip (the cloned source)")


def _verified(request: InstallRequest, before: Environment, steps: Sequence[Step], work: Work) -> Environment:
    """Return the environment after an install that did what was planned and nothing else. Raises RepairRefused."""
    after = look_at(request.python, work)
    planned = before.versions() | {step.name: step.version for step in steps}
    found = after.versions()
    other = sorted(name for name in planned.keys() | found.keys() if planned.get(name) != found.get(name))
    if other:
        raise RepairRefused(Reason.PIP_FAILED, f"pip did not do what it planned: {', '.join(other[:10])}")
    _verify(request, work)
    return after


def _verify(request: InstallRequest, work: Work) -> None:
    """Import the wanted modules in the environment. Raises RepairRefused when one does not import."""
    if not request.import_names:
        return
    argv = [str(request.python), "-I", "-X", "utf8", str(_IMPORT_CHILD), *request.import_names]
    try:
        said = work.ask(argv, import_child.MARK, what="the import of what was installed", seconds=_VERIFY_S)
    except RepairRefused as error:
        if error.reason is not Reason.NO_PYTHON:
            raise
        raise RepairRefused(Reason.NOT_IMPORTABLE, str(error)) from error
    if said["failed"] is not None:
        raise RepairRefused(Reason.NOT_IMPORTABLE, f"{said['failed']} does not import: {said['why']}")


def _as_refusal(error: LoopError) -> RepairRefused:
    """Return an error of the loop as one of a repair: a file that could not be written, a disk that is full."""
    return error if isinstance(error, RepairRefused) else RepairRefused(Reason.PIP_FAILED, str(error))


def _take_back(error: RepairRefused, record: Record, request: InstallRequest, work: Work) -> RepairRefused:
    """Undo a failed install at once; return the error to report."""
    if error.reason is Reason.STOPPED:  # there is no time left: the record says what is to be undone
        return error
    work.note(f"{error}; the environment goes back to what it was")
    try:
        undo(record, request.record, work.until(UNDO_S))
    except RepairRefused as worse:
        return RepairRefused(worse.reason, f"{error}; {worse}")
    return error


def _pip(argv: Sequence[str], request: InstallRequest, work: Work, *, what: str) -> None:
    """Run pip, its output in the log. Raises RepairRefused with the reason that its output tells."""
    work.note(f"$ {' '.join(argv)}")
    before = files.signature(work.log)
    code = work.run(argv, pip_environment(), what=what)
    if code != 0:
        size = files.signature(work.log)
        fresh = _TAIL_BYTES if size is None or before is None else min(_TAIL_BYTES, size[1] - before[1])
        raise failure_of(files.read_tail(work.log, fresh), code, request.protected, what=what)


def names_of(steps: Sequence[Step]) -> dict[str, Any]:
    """Return steps as an answer lists them: what was added, and what was changed from which version."""
    added: list[Mapping[str, Any]] = [
        {"name": step.name, "version": step.version, "sha256": step.sha256} for step in steps if step.replaces is None
    ]
    changed: list[Mapping[str, Any]] = [
        {"name": step.name, "from": step.replaces.version, "to": step.version, "sha256": step.sha256}
        for step in steps
        if step.replaces is not None
    ]
    return {"added": added, "changed": changed}
