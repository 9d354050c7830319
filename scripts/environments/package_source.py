"""The package's own sources: their fingerprint, and a copy to build from, so that nothing is written beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.stamps import fingerprint

_BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def source_files(root: Path) -> list[Path]:
    """Return the package's files in a fixed order, without compiled leftovers."""
    files = (path for path in (root / "llm_loop").rglob("*") if path.is_file())
    return sorted(path for path in files if "__pycache__" not in path.parts and path.suffix not in (".pyc", ".pyo"))


def source_fingerprint(root: Path) -> str:
    """Return a hash over names and contents of all that goes into the built package."""
    parts: list[str | Path] = [root / name for name in _BESIDE]
    for path in source_files(root):
        parts += [path.relative_to(root).as_posix(), path]
    return fingerprint(*parts)


@contextmanager
def copied_source(root: Path) -> Iterator[Path]:
    """Give a temporary folder with the sources in it, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="llm_loop_build_", ignore_cleanup_errors=True) as folder:
        copy = Path(folder)
        for path in [*(root / name for name in _BESIDE if (root / name).is_file()), *source_files(root)]:
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield copy
