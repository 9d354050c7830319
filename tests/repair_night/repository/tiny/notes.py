"""Note each start in the run's folder: what was started, with which config, packages and code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
from pathlib import Path

FILE = "starts.jsonl"


def note_start() -> None:
    """Add a line to ``starts.jsonl`` of the attempt's folder."""
    words = [word for word in sys.argv if not word.startswith("--output")]
    packages = {found.name: found.version for found in importlib.metadata.distributions()}
    configs = [Path(word) for word in words if word.endswith(".yaml")]
    line = {
        "words": words,
        "packages": dict(sorted(packages.items())),
        "configs": [hashlib.sha256(path.read_bytes()).hexdigest() for path in configs if path.is_file()],
        "code": _code(),
    }
    with (Path(os.environ["LLM_LOOP_RUN_DIR"]) / FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


note_start()
