"""Which of Codex's sandboxes is used here, why, and what would mend it: tried once for a client, then kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import CorruptFileError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock, parse_utc

SCHEMA_VERSION = 1
STORE = "codex_sandbox.json"
"""Its name in ``.llm_loop``."""
_AGAIN_AFTER_S = 3600.0
WORKSPACE_WRITE, READ_ONLY, FULL_ACCESS = "workspace-write", "read-only", "danger-full-access"


class Act(StrEnum):
    """What is tried inside a sandbox, as Codex would do it."""

    CREATE = "create_file"
    UPDATE = "update_file"
    COMMAND = "run_command"
    READ_OUTSIDE = "read_outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Hold what the configuration says of the sandbox: ``sandbox_mode`` and ``windows_sandbox``, each may be auto."""

    mode: str = "auto"
    windows_sandbox: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxChoice:
    """Hold the sandbox that Codex gets.

    ``mode`` is Codex's ``sandbox_mode``; ``windows_sandbox`` is None where there is no choice of them. ``works``
    tells what an act came to in it (empty: not tried). ``confines`` is False when something was written outside of
    its working folder. ``refused`` are other sandboxes and why each was not taken. ``mend`` is None where there is
    nothing to mend. ``conclusive`` is False when the trial itself broke off: it is made again after an hour.
    """

    mode: str
    windows_sandbox: str | None = None
    works: Mapping[str, bool] = field(default_factory=dict)
    confines: bool | None = None
    reason: str
    mend: str | None = None
    refused: tuple[str, ...] = ()
    codex_version: str | None = None
    tried_utc: str | None = None
    conclusive: bool = True

    @property
    def can_edit(self) -> bool:
        """Whether Codex writes its edits itself; else they come in its answer."""
        return self.mode == FULL_ACCESS or all(self.works.get(act, False) for act in (Act.CREATE, Act.UPDATE))

    @property
    def can_run(self) -> bool:
        """Whether Codex can run commands at all, to look into files for one."""
        return self.mode == FULL_ACCESS or self.works.get(Act.COMMAND, False)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "works": {str(act): works for act, works in self.works.items()},
            "refused": list(self.refused),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form, which only the loop writes. Raises KeyError, TypeError."""
        known = {name: value[name] for name in cls.__slots__}
        return cls(**known | {"refused": tuple(value["refused"]), "works": dict(value["works"])})


def pinned_choice(pin: Pin) -> SandboxChoice | None:
    """Return the choice that needs no trial: full access, which only a person can ask for; else None."""
    if pin.mode != FULL_ACCESS:
        return None
    return SandboxChoice(mode=FULL_ACCESS, reason="sandbox_mode in the configuration asks for it", confines=False)


def stored_choice(store: Path, pin: Pin, binary: Path) -> SandboxChoice | None:
    """Return the choice kept in ``store``, or None when there is none for this client and this configuration.

    Full access is never taken from there: a run can write that file too.
    """
    if (choice := pinned_choice(pin)) is not None:
        return choice
    try:
        value = files.read_json(store)
        if value["schema_version"] != SCHEMA_VERSION or value["made_for"] != _made_for(pin, binary):
            return None
        choice = SandboxChoice.from_json(value["choice"])
        if choice.mode not in (READ_ONLY, *([] if pin.mode == READ_ONLY else [WORKSPACE_WRITE])):
            return None
        return choice if choice.conclusive or _is_fresh(choice) else None
    except (OSError, CorruptFileError, KeyError, TypeError, ValueError):
        return None


def _is_fresh(choice: SandboxChoice) -> bool:
    """Tell whether a trial that broke off was made within the last hour: not each call begins with another one."""
    if choice.tried_utc is None:
        return False
    return abs((SystemClock().utc_now() - parse_utc(choice.tried_utc)).total_seconds()) < _AGAIN_AFTER_S


def keep_choice(store: Path, pin: Pin, binary: Path, choice: SandboxChoice) -> None:
    """Write ``store``. Raises FileWriteError."""
    value = {"schema_version": SCHEMA_VERSION, "made_for": _made_for(pin, binary), "choice": choice.to_json()}
    files.replace_json(store, value)


def _made_for(pin: Pin, binary: Path) -> dict[str, Any]:
    """Return what a choice holds for: this client, as it lies there, and this configuration."""
    changed_ns, size = files.signature(binary) or (0, 0)
    return {
        "binary": str(binary),
        "size": size,
        "changed_ns": changed_ns,
        "sandbox_mode": pin.mode,
        "windows_sandbox": pin.windows_sandbox,
    }
