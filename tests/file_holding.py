"""A foreign process that holds files open: on Windows nobody can replace or remove them then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import FAKES


@contextmanager
def held_open(*paths: Path, alone: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Hold files open for a block; ``stdin.close()`` of what is yielded lets go earlier.

    ``alone``: on Windows nobody else can even read them.
    """
    python = getattr(sys, "_base_executable", None) or sys.executable
    argv = [python, "-I", "-S", "-X", "utf8", str(FAKES / "file_holder.py")]
    argv += ["--alone"] * alone + [str(path) for path in paths]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline().strip() == b"held"
        yield process
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
