"""The real Codex for Windows: npm's package, fetched on the Linux side and unpacked where Windows finds it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tests.codex_client import CACHE_VARIABLE, COMPLETE, NPM_VERSION
from tests.windows.bench.layout import Layout
from tests.windows.bench.removal import remove

PACKAGE = f"@openai/codex@{NPM_VERSION}-win32-x64"
SETTINGS = {CACHE_VARIABLE: "D:\\codex"}
"""What tells the tests where clients lie: on the desk, so that the next run has them too."""
_PROGRAMS = PurePosixPath("package", "vendor")
_FETCH_S = 300.0


def fetch_codex(layout: Layout, say: Callable[[str], None]) -> None:
    """Put npm's Codex for Windows on the desk, unless it is there; say why where it cannot be had.

    Then the tests take the one of the package index, which pip on Windows fetches, and are skipped without either.
    """
    folder = layout.desk / "codex" / f"codex-{NPM_VERSION}"
    if (folder / COMPLETE).exists():
        return
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.desk) as scratch:
        why_not = _pack(Path(scratch))
        if why_not is None:
            unpack(next(Path(scratch).glob("*.tgz")), folder)
            (folder / COMPLETE).touch()
    if why_not is not None:
        remove(folder)
    took = f"{time.monotonic() - began:.0f} s"
    say(f"bench: Codex {NPM_VERSION} for Windows: {took if why_not is None else f'not to be had from npm: {why_not}'}")


def _pack(folder: Path) -> str | None:
    """Download the package into ``folder``; return why that was not possible."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not here"
    argv = [npm, "pack", "--silent", "--pack-destination", str(folder), PACKAGE]
    try:
        done = subprocess.run(
            argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {_FETCH_S:g} s"
    if done.returncode != 0 or not any(folder.glob("*.tgz")):
        return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1][:300]
    return None


def unpack(package: Path, folder: Path) -> None:
    """Take the programs out of the package, and the files that lie beside them."""
    with tarfile.open(package) as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if not member.isfile() or not name.is_relative_to(_PROGRAMS) or ".." in name.parts or "voice" in name.parts:
                continue
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(member)
            assert stream is not None
            with place.open("wb") as out:
                shutil.copyfileobj(stream, out, 1 << 20)
            place.chmod(0o755)
