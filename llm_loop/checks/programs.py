"""The loop's own Python, the Python of trainings with its torch, and git."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from llm_loop.checks.check import Check, failed, notice, ok, problem
from llm_loop.errors import CommandError
from llm_loop.system.short_run import run_short

_INSTALL = "`python scripts/bootstrap.py install`"
_TORCH_S = 120.0
_GIT_S = 10.0
# Run by the Python of trainings: it alone may import torch.
_ASK_TORCH = """
import json, platform
said = {"python": platform.python_version(), "torch": None, "error": None, "devices": []}
try:
    import torch
    said["torch"] = torch.__version__
    said["built_for"] = torch.version.cuda or getattr(torch.version, "hip", None)
    if torch.cuda.is_available():
        said["devices"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
except Exception as error:
    said["error"] = f"{type(error).__name__}: {error}"[:300]
print("llm_loop " + json.dumps(said))
"""


def check_python() -> Check:
    """Look at the Python that runs this, and at what the built-in planner needs."""
    said = f"Python {platform.python_version()} ({sys.executable})"
    if importlib.util.find_spec("optuna") is None:
        return problem("python", f"{said} has no optuna: the built-in planner ends with its start points", _INSTALL)
    return ok("python", said)


def check_torch(python: Path) -> list[Check]:
    """Ask the Python of trainings for torch and its devices, in a child with a deadline of two minutes."""
    if not python.exists():
        mend = f"{_INSTALL}, or set train_python_exe in the configuration"
        return [failed("training python", f"{python} does not exist", mend)]
    try:
        ended = run_short([str(python), "-X", "utf8", "-c", _ASK_TORCH], cwd=python.parent, deadline_s=_TORCH_S)
    except CommandError as error:
        return [failed("training python", str(error), f"{_INSTALL}, or set train_python_exe in the configuration")]
    said = _answer(ended.stdout)
    if said is None:
        why = f"gave no answer within {_TORCH_S:g} s" if ended.exit_code is None else "cannot run a line of code"
        return [failed("training python", f"{python} {why}", _INSTALL)]
    checks = [ok("training python", f"Python {said['python']} ({python})")]
    if said["torch"] is None:
        what = f"no torch there ({said['error']}): a training that needs it will fail"
        return [*checks, problem("torch", what, _INSTALL)]
    return [*checks, _torch(said)]


def _torch(said: dict[str, Any]) -> Check:
    version = f"torch {said['torch']}"
    if said["devices"]:
        return ok("torch", f"{version}, {', '.join(said['devices'])}")
    if said["error"] is not None:
        return problem("torch", f"{version}, its devices cannot be asked: {said['error']}", "update the GPU's driver")
    if said["built_for"]:
        mend = "if there is a GPU: install or update its driver (`nvidia-smi` must show it)"
        return notice("torch", f"{version} finds no GPU: trainings run on the processor", mend)
    mend = f"if there is a GPU: {_INSTALL} picks the build for it"
    return notice("torch", f"{version} is built without GPU support: trainings run on the processor", mend)


def _answer(stdout: str) -> dict[str, Any] | None:
    """Return what the child said; what an import prints of its own stands before it."""
    for line in reversed(stdout.splitlines()):
        if line.startswith("llm_loop "):
            value: dict[str, Any] = json.loads(line.removeprefix("llm_loop "))
            return value
    return None


def check_git() -> Check:
    """Look for git, which the loop can do without."""
    program = shutil.which("git")
    if program is None:
        mend = "install git if you want the training repository's history beside the loop's own versions"
        return notice("git", "no git: the loop keeps its own code versions and needs none", mend)
    try:
        said = run_short([program, "--version"], deadline_s=_GIT_S).stdout.strip()
    except CommandError as error:
        return notice("git", str(error), "install git again")
    return ok("git", said or program)
