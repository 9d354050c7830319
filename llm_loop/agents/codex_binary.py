"""Find the native Codex program: on PATH, behind npm's shim, or in the PyPI package that carries it.

npm installs a script under the name ``codex`` (on Windows batch and PowerShell files too) that starts the native
program as its child. Killing the script would leave the program running, and a batch file would read its
arguments as commands, so the program itself is what is called.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_loop.errors import CommandError

PYPI_PACKAGE = "openai-codex-cli-bin"
_PYPI_MODULE = "codex_cli_bin"
_NPM_PACKAGE = Path("@openai", "codex")
_NATIVE_STARTS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_MARK_BYTES = 4

Origin = Literal["path", "npm", "pypi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexBinary:
    """Hold where the native program lies and by what it was found."""

    path: Path
    origin: Origin


def find_codex(environ: Mapping[str, str], exclude: Iterable[Path] = ()) -> CodexBinary:
    """Return the first native Codex on PATH, itself or behind npm's shim, else the PyPI package's.

    Nothing below a folder of ``exclude`` is taken: what an agent can write is not what calls the agent. Relative
    entries of PATH are not looked at. Raises CommandError when there is none.
    """
    barred = [folder.resolve() for folder in exclude]
    for found in _candidates(environ):
        place = found.path.resolve()
        if _is_native(place) and not any(place.is_relative_to(folder) for folder in barred):
            return CodexBinary(path=place, origin=found.origin)
    raise CommandError("no Codex found: `llm-loop login` offers to install it, or: npm install -g @openai/codex")


def _candidates(environ: Mapping[str, str]) -> Iterator[CodexBinary]:
    for entry in environ.get("PATH", "").split(os.pathsep):
        folder = Path(entry)
        if not entry or not folder.is_absolute():
            continue
        yield CodexBinary(path=folder / _program(), origin="path")
        for package in _npm_packages(folder):
            yield from (CodexBinary(path=place, origin="npm") for place in _natives_of(package))
    if (carried := _pypi_folder()) is not None:
        yield CodexBinary(path=carried / "bin" / _program(), origin="pypi")


def _program() -> str:
    return "codex.exe" if os.name == "nt" else "codex"


def _npm_packages(folder: Path) -> Iterator[Path]:
    """Yield where the npm package may lie whose shim is in a folder of PATH; nothing when there is no shim."""
    shims = ("codex", "codex.cmd", "codex.ps1") if os.name == "nt" else ("codex",)
    found = [folder / name for name in shims if (folder / name).is_file()]
    if not found:
        return
    target = found[0].resolve()
    if target.parent.name == "bin" and target.parents[1].parts[-2:] == _NPM_PACKAGE.parts:
        yield target.parents[1]
    yield folder.parent / _NPM_PACKAGE  # node_modules/.bin
    yield folder / "node_modules" / _NPM_PACKAGE  # npm's global folder on Windows
    yield folder.parent / "lib" / "node_modules" / _NPM_PACKAGE


def _natives_of(package: Path) -> Iterator[Path]:
    """Yield where an installed npm package keeps its native program; node looks for packages in each folder above."""
    system, triple = _target()
    if not package.is_dir():
        return
    carrier = Path("node_modules", "@openai", f"codex-{system}")
    homes = [folder / carrier for folder in (package, *package.parents)]
    for home in (*homes, package):
        for folder in ("bin", "codex"):
            yield home / "vendor" / triple / folder / _program()


def _target() -> tuple[str, str]:
    """Return npm's and the compiler's name for this machine."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    cpu, machine = ("arm64", "aarch64") if arm else ("x64", "x86_64")
    if sys.platform == "win32":
        return f"win32-{cpu}", f"{machine}-pc-windows-msvc"
    if sys.platform == "darwin":
        return f"darwin-{cpu}", f"{machine}-apple-darwin"
    return f"linux-{cpu}", f"{machine}-unknown-linux-musl"


def _pypi_folder() -> Path | None:
    """Return the folder of the PyPI package in the loop's environment; nothing of it is imported."""
    spec = importlib.util.find_spec(_PYPI_MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _is_native(path: Path) -> bool:
    """Tell whether a file is a program of the machine, no script."""
    try:
        with path.open("rb") as stream:
            return os.access(path, os.X_OK) and stream.read(_MARK_BYTES).startswith(_NATIVE_STARTS)
    except (OSError, ValueError):
        return False
