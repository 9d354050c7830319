"""Where everything of a bench lies. Every path has a name here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "WINDOWS_BENCH_DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders of one bench. ``root`` is a small Debian; what is named ``in_*`` is a path as seen inside it."""

    folder: Path

    @property
    def root(self) -> Path:
        """The Debian folder that holds Wine."""
        return self.folder / "debian"

    @property
    def python(self) -> Path:
        """CPython for Windows."""
        return self.root / "windows" / "python"

    @property
    def prepared(self) -> Path:
        """The Wine prefix that every run gets a copy of."""
        return self.root / "windows" / "prepared"

    @property
    def runs(self) -> Path:
        """The copies, one a run."""
        return self.root / "windows" / "runs"

    @property
    def desk(self) -> Path:
        """What Windows sees as drive D: the copy of the checkout, its environments, pip's cache."""
        return self.folder / "desk"

    @property
    def logs(self) -> Path:
        """What the set-up and the last run printed."""
        return self.folder / "logs"

    @property
    def lock(self) -> Path:
        """Held by the one run that builds or uses the bench."""
        return self.folder / "lock"

    @property
    def stamps(self) -> Path:
        """One file for each finished step of the set-up."""
        return self.folder / "done"


def default_layout() -> Layout:
    """Return the bench of this user: the folder in WINDOWS_BENCH_DIR, else one in the user's cache."""
    named = os.environ.get(VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Layout(folder=Path(named).absolute() if named else cache / "llm_loop-windows-bench")
