"""Which steps of an environment are finished, so that a second call does only what is missing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

_NAME = "llm_loop_setup.json"


def fingerprint(*parts: str | bytes | Path) -> str:
    """Return a short hash over texts, bytes and the contents of files (a missing file counts as empty)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            data = part.read_bytes() if part.is_file() else b""
        else:
            data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:20]


class Stamps:
    """The marks of one environment's finished steps, kept in a file inside it: they go when it goes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _NAME

    def read(self, step: str) -> str | None:
        """Return the mark of a finished step, None where it is not finished."""
        return self._load().get(step)

    def mark(self, step: str, value: str) -> None:
        """Write down, in one move, that a step is finished."""
        self._store({**self._load(), step: value})

    def clear(self, step: str) -> None:
        """Forget a step, before it is done anew."""
        self._store({name: value for name, value in self._load().items() if name != step})

    def _load(self) -> dict[str, str]:
        try:
            marks = json.loads(self._file.read_text(encoding="utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # a torn file: all steps are looked at anew
            return {}
        return {str(name): str(value) for name, value in marks.items()} if isinstance(marks, dict) else {}

    def _store(self, marks: dict[str, str]) -> None:
        fresh = self._file.with_suffix(".tmp")
        fresh.write_text(json.dumps(marks, indent=1), encoding="utf-8", newline="\n")
        os.replace(fresh, self._file)  # noqa: PTH105 - the house's way of replacing a file
