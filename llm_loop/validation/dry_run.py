"""The check ``dry_run``: one batch for real where the trainer offers that, on the CPU, in the run's own environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError
from llm_loop.runs.command import start_form
from llm_loop.system.files import replace_text
from llm_loop.system.held_child import ChildEnd
from llm_loop.system.processes import resolve_program
from llm_loop.validation.command import check_command
from llm_loop.validation.held import Bench, Ended
from llm_loop.validation.request import CHECKED_COMMAND, CheckRequest, environment_of, tokens_of
from llm_loop.validation.start import Start
from llm_loop.validation.verdict import PASSED, State, Verdict, failed, one_line, skipped, unknown

_FLAG = "--check"
_NO_SUCH_FLAG = "error: unrecognized arguments: --check"
_KILLED = (-9, 137)
_NOT_STARTED = (126, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Hold the verdict, and for the diagnosis what was printed; ``ended`` is None where nothing was run."""

    verdict: Verdict
    ended: Ended | None = None

    def to_json(self) -> dict[str, Any] | None:
        """Return the entry of the answer."""
        if self.ended is None:
            return None
        return {
            "exit_code": self.ended.exit_code,
            "stdout": self.ended.stdout,
            "stderr": self.ended.stderr,
            "seconds": round(self.ended.seconds, 3),
        }


def check_dry_run(request: CheckRequest, start: Start | None, bench: Bench) -> DryRun:
    """Try the run: the reference trainer by its own ``--check``, another one by the ``validate_command``."""
    try:
        if start is not None and start.is_trainer:
            if start.loose & set(start.words):
                return DryRun(verdict=skipped("the command gives values that only its shell can tell"))
            return _judged(_trainer(request, start, bench), request.deadline_s, is_ours=True)
        if request.validate_command is None:
            return DryRun(verdict=skipped("the trainer offers no dry run, and validate_command is not set"))
        own = replace(request, command=request.validate_command)
        if check_command(own, environment_of(request, bench.run_dir), bench).state is State.FAILED:
            return DryRun(verdict=unknown(f"the validate_command does not read in {request.shell}"))
        return _judged(_foreign(request, request.validate_command, bench), request.deadline_s, is_ours=False)
    except CommandError as error:
        return DryRun(verdict=unknown(f"the dry run cannot be started: {error}"))


def _trainer(request: CheckRequest, start: Start, bench: Bench) -> Ended:
    given = {name: value for name, value in start.environment.items() if not _hides(name)}
    environment = environment_of(request, bench.run_dir) | given
    if start.python_path is not None:
        environment["PYTHONPATH"] = start.python_path
    program = resolve_program(start.words[0], environment["PATH"], start.folder)
    return bench.run([program, *start.words[1:], _FLAG], environment, start.folder, request.deadline_s)


def _foreign(request: CheckRequest, command: str, bench: Bench) -> Ended:
    environment: Mapping[str, str] = environment_of(request, bench.run_dir) | {CHECKED_COMMAND: request.command}
    folder = bench.scratch / "validate"
    form = start_form(command, request.shell, folder, tokens_of(request, bench.run_dir))
    for name, text in form.files.items():
        replace_text(folder / name, text, durable=False)
    program = resolve_program(form.argv[0], environment["PATH"], request.cwd)
    return bench.run([program, *form.argv[1:]], environment, Path(request.cwd), request.deadline_s)


def _judged(ended: Ended, deadline_s: float, *, is_ours: bool) -> DryRun:
    if ended.end is ChildEnd.DEADLINE:
        return DryRun(verdict=unknown(f"the dry run was not done in {deadline_s:g} s and was ended"), ended=ended)
    if ended.end is not ChildEnd.EXITED or ended.exit_code is None:
        return DryRun(verdict=unknown(f"the dry run was ended: {ended.end.value}"), ended=ended)
    if ended.exit_code == 0:
        return DryRun(verdict=PASSED, ended=ended)
    if is_ours and _NO_SUCH_FLAG in ended.stderr:
        return DryRun(verdict=skipped("the trainer of the training environment has no --check"))
    if ended.exit_code in _KILLED:
        return DryRun(verdict=unknown("the dry run was killed, perhaps for memory that is taken now"), ended=ended)
    if not is_ours and ended.exit_code in _NOT_STARTED:
        return DryRun(verdict=unknown("the validate_command does not start its program"), ended=ended)
    said = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    why = f"the dry run ended with exit code {ended.exit_code}"
    return DryRun(verdict=failed(None, why, one_line(said[-1]) if said else None), ended=ended)


def _hides(name: str) -> bool:
    return name.startswith(("LLM_LOOP_", "CUDA_VISIBLE_DEVICES"))
