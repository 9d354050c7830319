"""What the machine is to start again: one workspace and its configuration, and what it is called."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Hold an absolute workspace and a configuration, relative to it or absolute."""

    workspace: Path
    config: Path

    @property
    def name(self) -> str:
        """``llm_loop-<folder>-<hash>``: plain characters, one for each workspace."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.workspace.name).strip("-")[:_MOST_CHARACTERS]
        digest = hashlib.sha256(str(self.workspace).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return "-".join(part for part in ("llm_loop", plain, digest) if part)

    def words(self, program: str) -> list[str]:
        """Return the command: this Python's ``program`` (``python`` or ``pythonw``) with the start of the loop."""
        argv = [program, "-P", "-X", "utf8", "-m", "llm_loop", "--workspace", str(self.workspace)]
        return [*argv, "start", "--quiet", "--autostarted", "--config", str(self.config)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Hold whether the machine starts a workspace's loop again, by what, and what a person should know of it.

    ``text`` is the unit or task as it was written, None where there is none.
    """

    on: bool
    kind: str
    name: str
    place: str | None
    text: str | None
    notes: tuple[str, ...] = ()


def this_python() -> str:
    """Return the absolute path of the Python that runs this."""
    return sys.executable
