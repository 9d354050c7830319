"""The check ``files``: the program, the script and the config file that a command names are there."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from llm_loop.contract.command_line import program_name
from llm_loop.contract.diagnosis import Cause
from llm_loop.errors import CommandError
from llm_loop.runs.command import direct_words
from llm_loop.system.processes import resolve_program
from llm_loop.validation.request import CheckRequest
from llm_loop.validation.start import Start
from llm_loop.validation.verdict import PASSED, Verdict, failed, skipped, unknown

_POSIX = ("bash", "sh")
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_OF_SHELLS = frozenset(
    ": . [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown echo"
    " enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf"
    " pushd pwd read readarray readonly return set shift shopt source suspend test time times trap true type typeset"
    " ulimit umask unalias unset wait".split()
)
_MOST_ENTRIES = 20_000


def check_files(request: CheckRequest, start: Start | str, environment: Mapping[str, str]) -> Verdict:
    """Look for what the first step of the command names; ``start`` is why there is none that is plain to see."""
    if not request.cwd.is_dir():
        return failed(Cause.PROGRAM_MISSING, f"the folder {request.cwd}, where the run starts, is not there")
    words = direct_words(request.command, request.shell)
    if (trouble := _program(request.shell if words is None else None, start, request.cwd, environment)) is not None:
        return trouble
    if isinstance(start, str):
        return skipped(start)
    if (trouble := _program_of_step(start, words is not None, request, environment)) is not None:
        return trouble
    return _script(start) or _config(start) or PASSED


def is_missing(path: Path) -> bool | None:
    """Tell whether a path surely leads nowhere; None where that cannot be told."""
    try:
        os.stat(path)  # noqa: PTH116 - pathlib raises other errors for other Pythons
    except OSError as error:
        return True if error.errno in _MISSING else None
    except ValueError:
        return None
    return False


def _program(shell: str | None, start: Start | str, cwd: Path, environment: Mapping[str, str]) -> Verdict | None:
    """Return that the shell of a command is not there; None where none is needed."""
    if shell is None:
        return None
    try:
        resolve_program(shell, environment["PATH"], cwd)
    except CommandError as error:
        return failed(Cause.PROGRAM_MISSING, f"the shell {shell} is not there", str(error))
    return None


def _program_of_step(
    start: Start, is_direct: bool, request: CheckRequest, environment: Mapping[str, str]
) -> Verdict | None:
    name = start.words[0]
    try:
        resolve_program(name, environment["PATH"], start.folder)
        if start.behind:
            name = start.program
            resolve_program(name, environment["PATH"], start.folder)
    except CommandError as error:
        if is_direct and not start.behind:
            return failed(Cause.PROGRAM_MISSING, f"the program {name} cannot be started", str(error))
        if request.shell in _POSIX and os.name == "posix":
            return _of_shell(name, str(error), environment)
        return unknown(f"whether {request.shell} knows {name} cannot be told from outside")
    return None


def _of_shell(name: str, why: str, environment: Mapping[str, str]) -> Verdict | None:
    if name in _OF_SHELLS:
        return None
    if "BASH_ENV" in environment or any(one.startswith("BASH_FUNC_") for one in environment):
        return unknown(f"whether the shell has a function {name} cannot be told from outside")
    return failed(Cause.PROGRAM_MISSING, f"the program {name} cannot be started", why)


def _script(start: Start) -> Verdict | None:
    """Return that the script is missing which Python or a shell is to run."""
    script = None
    if start.python is not None:
        script = start.python.script
    elif program_name(start.program) in _POSIX:
        given = start.words[start.behind + 1 : start.behind + 2]
        script = next((one for one in given if one.endswith(".sh") and one not in start.loose), None)
    if script is None or not is_missing(start.folder / script):
        return None
    why = f"the script {script} is not in {start.folder}"
    line = f"can't open file '{start.folder / script}': [Errno 2] No such file or directory"
    return failed(Cause.PROGRAM_MISSING, why, line)


def _config(start: Start) -> Verdict | None:
    """Return that the config file is missing.

    Programs look for configs in folders of their own too, by their name or by a part of their path: so one is missing
    only where nothing of that name lies in the working folder, and the folder it is to lie in is there.
    """
    named = start.config()
    if named is None or "://" in named or not is_missing(start.folder / named):
        return None
    why, line = f"the config file {named} is not in {start.folder}", f"{named}: No such file or directory"
    if start.is_trainer or Path(named).is_absolute():
        return failed(Cause.CONFIG_INVALID, why, line)
    has_folder = Path(named).parent != Path() and (start.folder / named).parent.is_dir()
    if has_folder and not _lies_in(start.folder, Path(named).name):
        return failed(Cause.CONFIG_INVALID, why, line)
    return unknown(f"{why}; the program may find it elsewhere")


def _lies_in(folder: Path, name: str) -> bool:
    """Tell whether a file of that name may lie in a folder or below; links to folders are not followed."""
    seen = 0
    for _, folders, names in os.walk(folder):
        seen += len(names) + len(folders)
        if name in names or seen > _MOST_ENTRIES:
            return True
        folders[:] = [one for one in folders if not one.startswith(".")]
    return False
