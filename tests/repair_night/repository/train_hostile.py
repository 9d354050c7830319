"""Fail with words that want to be a command."""

from pathlib import Path

import tiny.notes  # noqa: F401 - it notes the start

name = Path("data/last_words.txt").read_text(encoding="utf-8").strip()
raise ModuleNotFoundError(f"No module named '{name}'")
