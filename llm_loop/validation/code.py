"""The checks ``code`` and ``modules``: the Python that will train is asked once for both."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.command_line import program_name
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.trainer_settings import MODULE as TRAINER
from llm_loop.errors import CommandError
from llm_loop.repairs.requirement import is_module_name
from llm_loop.system.held_child import ChildEnd
from llm_loop.system.processes import resolve_program
from llm_loop.validation.asked.code_child import MARK
from llm_loop.validation.held import Bench
from llm_loop.validation.request import CheckRequest
from llm_loop.validation.start import Start
from llm_loop.validation.verdict import PASSED, Verdict, failed, skipped, unknown

_CHILD = Path(__file__).with_name("asked") / "code_child.py"
_WALK_S, _BEYOND_S = 15.0, 15.0
_MOST_ANCESTORS = 6
_ALONE = (TRAINER, "torch.distributed.", "accelerate.", "deepspeed.")
"""Modules that are only looked for: their code is no code of the training repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold the verdicts on code and modules, and the file from which the reference trainer would be imported."""

    code: Verdict
    modules: Verdict
    trainer: Path | None = None


def ask(request: CheckRequest, start: Start | None, environment: Mapping[str, str], bench: Bench) -> Asked:
    """Ask the Python of the run's first step; without a step that is plain to see, the training one: for edits."""
    edited = edited_files(request)
    call = None if start is None else start.python
    if start is None or call is None or (call.script is None and call.module is None):
        if not edited:
            both = skipped("the command does not plainly start a Python script or module")
            return Asked(code=both, modules=both)
        return _verdicts(_answer(request.train_python, (), _question(None, edited), environment, request.cwd, bench))
    if start.python_path is not None:
        environment = {**environment, "PYTHONPATH": start.python_path}
    try:
        program = Path(resolve_program(start.program, environment["PATH"], start.folder))
    except CommandError as error:
        return _untold(str(error))
    flags = tuple(f"-{flag}" for flag in dict.fromkeys(call.flags))
    question = _question(start, edited)
    return _verdicts(_answer(program, flags, question, environment, start.folder, bench))


def edited_files(request: CheckRequest) -> list[str]:
    """Return the edited Python files that are there; without a checkout they lie in the working folder or above it."""
    bases = [request.checkout] if request.checkout is not None else [request.cwd, *request.cwd.parents]
    found = []
    for path in request.edited:
        places = [base / path for base in bases[:_MOST_ANCESTORS]]
        found += [str(place) for place in places if path.endswith(".py") and place.is_file()][:1]
    return found


def _question(start: Start | None, edited: list[str]) -> dict[str, Any]:
    question: dict[str, Any] = {"script": None, "module": None, "edited": edited, "first": [], "roots": []}
    question |= {"needs": [], "names": [TRAINER.partition(".")[0]], "seconds": _WALK_S}
    if start is None or start.python is None:
        return question
    folder, call = Path(os.path.realpath(start.folder)), start.python
    if call.module is not None:
        looked_at = not call.module.startswith(_ALONE)
        return question | {
            "module": call.module if looked_at else None,
            "needs": [] if looked_at else [call.module.partition(".")[0]],
            "first": [str(folder)],
            "roots": [str(folder)],
        }
    script = Path(os.path.realpath(folder / str(call.script)))
    roots = [folder] if script.is_relative_to(folder) else [folder, script.parent]
    is_source = script.suffix.lower() in (".py", ".pyw") and script.is_file()
    return question | {
        "script": str(script) if is_source else None,
        "first": [str(script.parent)],
        "roots": [str(root) for root in roots],
    }


def _answer(
    program: Path,
    flags: tuple[str, ...],
    question: Mapping[str, Any],
    environment: Mapping[str, str],
    cwd: Path,
    bench: Bench,
) -> dict[str, Any] | str:
    """Return what the Python says, or why it says nothing."""
    if program_name(program.name) == "py":
        return f"{program.name} chooses a Python by itself"
    argv = [str(program), *flags, str(_CHILD)]
    try:
        ended = bench.run(argv, environment, cwd, _WALK_S + _BEYOND_S, stdin=json.dumps(question))
    except CommandError as error:
        return str(error)
    if ended.end is not ChildEnd.EXITED:
        return f"{program} was asked what the run imports, and was ended: {ended.end.value}"
    line = next((one for one in reversed(ended.stdout.splitlines()) if one.startswith(MARK)), None)
    if line is None:
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.exit_code}"])[-1]
        return f"{program} does not say what the run imports: {last[:200]}"
    try:
        answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
    except ValueError:
        return f"{program} does not say what the run imports: its answer is cut off"
    return answer


def _verdicts(answer: dict[str, Any] | str) -> Asked:
    if isinstance(answer, str):
        return _untold(answer)
    origin = answer["origins"].get("llm_loop")
    trainer = None if not origin else Path(origin)
    if answer["errors"]:
        return Asked(code=_broken(answer["errors"][0]), modules=skipped("the code does not compile"), trainer=trainer)
    code = PASSED if answer["files"] else skipped("the run starts no code of the training repository")
    if answer["missing"]:
        modules = _missing(answer["missing"])
    else:
        modules = PASSED if answer["unsure"] is None else unknown(answer["unsure"])
    return Asked(code=code, modules=modules, trainer=trainer)


def _untold(why: str) -> Asked:
    return Asked(code=unknown(why), modules=unknown(why))


def _broken(error: Mapping[str, Any]) -> Verdict:
    whose = "an edited file" if error["edited"] else "a file that the run imports"
    return failed(
        Cause.CODE_ERROR,
        f"{whose} does not compile in the training Python: {error['file']}, line {error['line']}",
        error["text"],
        file=str(error["file"]),
        line=int(error["line"]),
        edited=bool(error["edited"]),
    )


def _missing(missing: list[dict[str, Any]]) -> Verdict:
    first, others = missing[0], [str(one["module"]) for one in missing[1:6]]
    name = str(first["module"])
    if name.endswith(".__main__"):
        package = name.removesuffix(".__main__")
        line = f"No module named {name}; '{package}' is a package and cannot be directly executed"
        return failed(Cause.PROGRAM_MISSING, f"the package {package} has nothing that can be started", line)
    beside = f"; also missing: {', '.join(others)}" if others else ""
    where = f"line {first['line']} of {first['file']} imports it" if first["line"] else "the command starts it"
    is_usable = name.isascii() and is_module_name(name)
    details: dict[str, str | bool] = {"module": name} if is_usable else {"name_is_usable": False}
    return failed(
        Cause.MISSING_MODULE,
        f"the module {name} is not in the Python that trains: {where}{beside}",
        f"ModuleNotFoundError: No module named '{name}'",
        **details,
    )
