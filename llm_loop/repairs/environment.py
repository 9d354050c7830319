"""The training environment as it is: asked of its own Python, compared, and never the loop's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from llm_loop.repairs.environment_child import MARK
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.requirement import is_package_name, normal_name
from llm_loop.repairs.work import Work

_CHILD = Path(__file__).with_name("environment_child.py")
_ASK_S = 60.0
_FIRST_PIP = (22, 3)  # the first with --report and --python


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Hold one installed package: its version, its name as written, where it came from (PEP 610, None: an index).

    ``own`` is false for one that the environment only sees, such as the system's.
    """

    name: str
    version: str
    origin: Mapping[str, Any] | None = None
    own: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"name": self.name, "version": self.version, "origin": self.origin, "own": self.own}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form."""
        return cls(name=value["name"], version=value["version"], origin=value["origin"], own=bool(value["own"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Hold what an environment is and has; ``packages`` by normal name, ``entries`` the names in its own folders."""

    python: Path
    prefix: Path
    python_version: str
    packages: Mapping[str, Installed]
    entries: Mapping[str, tuple[str, ...]]
    places: tuple[Path, ...]
    externally_managed: bool = False
    bundled_pip: Path | None = None

    def versions(self) -> dict[str, str]:
        """Return the version of each package, by normal name."""
        return {name: one.version for name, one in sorted(self.packages.items())}


def look_at(python: Path, work: Work) -> Environment:
    """Ask a Python what its environment holds. Raises RepairRefused when it cannot be asked."""
    if not python.is_file():
        raise RepairRefused(Reason.NO_PYTHON, f"there is no Python at {python}; set auto_repair_python_exe")
    argv = [str(python), "-I", "-X", "utf8", str(_CHILD)]
    value = work.ask(argv, MARK, what=f"the Python at {python}", seconds=_ASK_S)
    named = {name: one for name, one in value["packages"].items() if is_package_name(name)}  # the rest may hold options
    found = {normal_name(name): Installed(name=name, **one) for name, one in named.items()}
    return Environment(
        python=python,
        prefix=Path(value["prefix"]),
        python_version=value["python_version"],
        packages=found,
        entries={place: tuple(names) for place, names in value["entries"].items()},
        places=(Path(value["purelib"]), Path(value["platlib"])),
        externally_managed=bool(value["externally_managed"]),
        bundled_pip=None if value["bundled_pip"] is None else Path(value["bundled_pip"]),
    )


def check_is_foreign(environment: Environment) -> None:
    """Raise RepairRefused when a change of an environment would change what the loop runs on."""
    if environment.externally_managed:
        raise RepairRefused(
            Reason.EXTERNALLY_MANAGED,
            f"{environment.python} belongs to the operating system's package manager: "
            "make a virtual environment for trainings and set auto_repair_python_exe",
        )
    own = {_real(sys.prefix), *map(_real, filter(None, sys.path))}
    if not own.isdisjoint({_real(place) for place in (environment.prefix, *environment.places)}):
        raise RepairRefused(
            Reason.OWN_ENVIRONMENT,
            f"{environment.python} is the environment that the loop itself runs on: nothing is installed there; "
            "set train_python_exe or auto_repair_python_exe to the training environment's Python",
        )


def pip_of(environment: Environment) -> list[str]:
    """Return how pip is started for an environment: its own, the one that came with its Python, or the loop's.

    Raises RepairRefused when there is none that is new enough.
    """
    start = [str(environment.python), "-I", "-X", "utf8"]
    pip = environment.packages.get("pip")
    if pip is not None and _is_new(pip.version):
        return [*start, "-m", "pip"]
    bundled = environment.bundled_pip
    if bundled is not None and _is_new(bundled.name.split("-")[1]):
        return [*start, str(bundled / "pip")]
    try:
        if _is_new(metadata.version("pip")):
            return [sys.executable, "-I", "-X", "utf8", "-m", "pip", "--python", str(environment.python)]
    except metadata.PackageNotFoundError:
        pass
    had = "no pip" if pip is None else f"pip {pip.version}, which is too old"
    raise RepairRefused(
        Reason.NO_PIP,
        f"{environment.python} has {had}; install pip 22.3 or newer there: "
        f"python -m ensurepip --upgrade, or uv pip install --python {environment.python} pip",
    )


def _is_new(version: str) -> bool:
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    return tuple(numbers) >= _FIRST_PIP


def _real(path: str | Path) -> str:
    return os.path.normcase(os.path.realpath(path))
