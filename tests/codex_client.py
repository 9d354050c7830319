"""Real Codex clients for tests: the one that npm carries and the one that PyPI carries, each pinned.

A client is looked for in this order: the path in ``CODEX_FOR_TESTS`` (stands for npm's), the folder
``codex-VERSION`` in the cache (``CODEX_TESTS_CACHE``, else ``~/.cache/llm_loop-tests``), npm or pip, which fill the
cache (about 150 MB, once). Where npm's cannot be had, PyPI's does for a test that names no version; a test is
skipped, with the reason, where its client cannot be had.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from llm_loop.system.processes import platform

NPM_VERSION = "0.169.0"
PYPI_VERSION = "0.163.0"
CACHE_VARIABLE = "CODEX_TESTS_CACHE"
COMPLETE = "complete"
NO_CLIENT = pytest.mark.skipif(
    importlib.util.find_spec("codex_cli_bin") is not None, reason="this environment carries a client"
)
_PATIENCE_S = 600.0


def codex_binary(version: str | None = None) -> Path:
    """Return a native Codex of that version (None: npm's, else PyPI's); skip the test when there is none."""
    reasons = []
    for wanted in (NPM_VERSION, PYPI_VERSION) if version is None else (version,):
        found = _find(wanted)
        if isinstance(found, Path):
            return found
        reasons.append(found)
    pytest.skip("; ".join(reasons))


@cache
def _find(version: str) -> Path | str:
    """Return the program, or why there is none."""
    given = os.environ.get("CODEX_FOR_TESTS")
    if given and version == NPM_VERSION:
        return Path(given) if Path(given).is_file() else f"CODEX_FOR_TESTS names no file: {given}"
    cache = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "llm_loop-tests")
    folder = cache / f"codex-{version}"
    if not (folder / COMPLETE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not (folder / COMPLETE).exists() and (problem := _install(version, folder)) is not None:
                return problem
    return next(_programs(folder), f"no Codex program below {folder}: remove it and run the tests again")


def _programs(folder: Path) -> Iterator[Path]:
    name = "codex.exe" if os.name == "nt" else "codex"
    return (path for path in folder.rglob(name) if path.parent.name == "bin" and path.stat().st_size > 1_000_000)


def _install(version: str, folder: Path) -> str | None:
    """Fetch a client into ``folder``; return why that was not possible."""
    program = shutil.which("npm")
    if program is None and version == NPM_VERSION:
        return f"Codex {version} could not be fetched: npm is not here"
    npm = [str(program), "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"@openai/codex@{version}"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    pip.append(f"openai-codex-cli-bin=={version}")
    command = npm if version == NPM_VERSION else pip
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Codex {version} could not be fetched: {error}"
    if done.returncode != 0:
        return f"Codex {version} could not be fetched: {done.stderr.strip()[-300:]}"
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()
    for program in (*_programs(folder), *folder.rglob("codex-*/*"), *folder.rglob("bin/*")):
        if program.is_file():
            program.chmod(0o755)
    (folder / COMPLETE).touch()
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one test process at a time fill the folder."""
    descriptor = platform.open_lock_file(folder / "lock")
    try:
        give_up = time.monotonic() + _PATIENCE_S
        while not platform.try_lock(descriptor) and time.monotonic() < give_up:
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
