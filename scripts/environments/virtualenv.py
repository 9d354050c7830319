"""A virtual environment as a folder: make it, find its Python, see whether it works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from environments.problem import SetupProblem

_MAKE_TIMEOUT_S = 600.0
_ANSWER_TIMEOUT_S = 60.0


def interpreter(folder: Path, platform: str = sys.platform) -> Path:
    """Return where the Python of the environment in `folder` lies."""
    return folder / "Scripts" / "python.exe" if platform == "win32" else folder / "bin" / "python"


def answers(folder: Path) -> bool:
    """Tell whether the environment's Python runs and is 3.11 or newer."""
    program = interpreter(folder)
    if not program.exists():
        return False
    argv = [str(program), "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def create(folder: Path) -> None:
    """Make the environment, or make a half-made or broken one again. Raises SetupProblem."""
    files = [folder] if folder.is_file() else (path for path in folder.rglob("*") if path.is_file())
    if not (folder / "pyvenv.cfg").exists() and any(files):
        raise SetupProblem(f"{folder} is in the way: it is no virtual environment", "Move it away and run this again")
    argv = [base_python(), "-m", "venv", *([] if answers(folder) else ["--clear"]), str(folder)]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=_MAKE_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise explain_venv(done.stdout, folder)


def explain_venv(output: str, folder: Path) -> SetupProblem:
    """Return the problem behind a failed `python -m venv`."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if "ensurepip" in output or "No module named venv" in output:
        mend = f"On Debian and Ubuntu: sudo apt install python{version}-venv; elsewhere take Python from python.org"
        return SetupProblem(f"This Python ({sys.executable}) cannot make virtual environments", mend)
    if "No space left" in output or "Errno 28" in output:
        return SetupProblem("The disk is full", "Free some space and run the same command again")
    if "Permission denied" in output or "Read-only" in output:
        mend = "Put the checkout into a folder that you may write to, or run as the user who owns it"
        return SetupProblem(f"{folder} cannot be written", mend)
    last = ([line for line in output.splitlines() if line.strip()] or ["no word"])[-1]
    return SetupProblem(f"{folder} could not be made: {last.strip()}", f"Delete {folder} and run this again")


def base_python() -> str:
    """Return the Python that environments are made with: never the one inside an environment of ours."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def installed_version(folder: Path, package: str) -> str | None:
    """Return the version of an installed package as its dist-info folder says, without starting Python."""
    pattern = f"{package.replace('-', '_')}-*.dist-info"
    places = [*folder.glob(f"Lib/site-packages/{pattern}"), *folder.glob(f"lib/python*/site-packages/{pattern}")]
    return next((place.name.removesuffix(".dist-info").split("-", 1)[1] for place in places), None)
