"""The check ``command``: it reads in the shell that will run it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_loop.contract.command_line import split_statements
from llm_loop.errors import CommandError
from llm_loop.runs.command import start_form
from llm_loop.system.files import replace_text
from llm_loop.system.held_child import ChildEnd
from llm_loop.system.processes import resolve_program
from llm_loop.validation.held import Bench
from llm_loop.validation.request import CheckRequest, tokens_of
from llm_loop.validation.verdict import PASSED, Verdict, failed, unknown

_SCRIPT = "command.sh"
_READS_S = 10.0
_REFUSES = re.compile(r"syntax error|unexpected (?:eof|end of file|token)|unterminated", re.IGNORECASE)
_CHANGES_SYNTAX = re.compile(r"\b(?:shopt|alias|extglob|enable)\b")


def check_command(request: CheckRequest, environment: Mapping[str, str], bench: Bench) -> Verdict:
    """Read the command as its launch does; bash and sh read it themselves too, and run nothing of it."""
    if "\0" in request.command:
        return failed(None, "the command holds a zero byte, and no program takes one")
    try:
        form = start_form(request.command, request.shell, bench.scratch, tokens_of(request, bench.run_dir))
        split_statements(request.command, request.shell)
    except CommandError as error:
        return failed(None, f"the command does not read in {request.shell}", str(error))
    if _SCRIPT not in form.files:
        return PASSED
    if _CHANGES_SYNTAX.search(request.command):
        return unknown("the command changes how its shell reads it")
    script = bench.scratch / _SCRIPT
    replace_text(script, form.files[_SCRIPT], durable=False)
    kept = {name: value for name, value in environment.items() if name not in ("BASH_ENV", "ENV")} | {"LC_ALL": "C"}
    try:
        shell = resolve_program(form.argv[0], environment["PATH"], request.cwd)
        ended = bench.run([shell, "-n", str(script)], kept, bench.scratch, _READS_S)
    except CommandError as error:
        return unknown(str(error))
    if ended.end is not ChildEnd.EXITED:
        return unknown(f"{request.shell} was asked to read the command, and was ended: {ended.end.value}")
    if ended.exit_code and (match := _REFUSES.search(ended.stderr)) is not None:
        line = next(one for one in ended.stderr.splitlines() if match[0] in one)
        return failed(None, f"the command does not read in {request.shell}", line.replace(f"{script}: ", ""))
    return PASSED
