"""What a repair will not do, or could not, said in one sentence."""

from __future__ import annotations

from enum import StrEnum

from llm_loop.errors import LoopError


class Reason(StrEnum):
    """Why nothing came of a repair; the values stand in answers, in the journal and in tables."""

    NOT_ALLOWED = "not_allowed"
    """No map, list, declaration or table names the package, or the text is no requirement."""
    PROTECTED = "protected"
    """A protected package would be replaced, removed, downgraded, or added unasked."""
    OWN_ENVIRONMENT = "own_environment"
    """The Python would change what the loop itself runs on."""
    IN_USE = "in_use"
    """A run, or another install, uses the environment."""
    NO_PYTHON = "no_python"
    NO_PIP = "no_pip"
    EXTERNALLY_MANAGED = "externally_managed"
    """The environment belongs to the operating system's package manager."""
    SOURCE_BUILD = "source_build"
    """It would be built from source, and that was not allowed."""
    NOT_AVAILABLE = "not_available"
    """No index holds it for this Python and machine."""
    CONFLICT = "conflict"
    """It cannot stand beside what is installed or wanted."""
    CANNOT_UNDO = "cannot_undo"
    """A package that would be replaced cannot be had again, so the change could not be taken back."""
    DISK_FULL = "disk_full"
    INDEX_UNREACHABLE = "index_unreachable"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    PIP_FAILED = "pip_failed"
    NOT_IMPORTABLE = "not_importable"
    """It is installed and the wanted module still does not import."""
    UNDO_FAILED = "undo_failed"
    """The environment is not as it was recorded; a person must look."""
    CLONE_FAILED = "clone_failed"


class RepairRefused(LoopError):
    """Say why a repair was refused or came to nothing, and what to do about it."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)
