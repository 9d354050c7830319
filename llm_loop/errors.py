"""The error tree.

    LoopError                    everything the loop raises on purpose (exit code 1)
     +- ConfigError              a wrong key, type or range in a configuration (exit code 2)
     +- ContractError            an outsider's data breaks its contract: a decision, a review, a result
     +- CorruptFileError         a file of ours does not parse
     +- FileWriteError           a file could not be written, replaced or removed
     +- CommandError             a command cannot be parsed or started
     +- WorkspaceBusyError       another daemon holds the workspace (exit code 3)

Each message says what is wrong, where, and what to do next, in one or two lines. The command line
draws them at one wall (``llm_loop.cli.main``); inside the daemon the tick guard journals them.
"""

from __future__ import annotations

from pathlib import Path


class LoopError(Exception):
    """Stand for any failure that the loop understands.

    ``exit_code`` is what the command line ends with when the error reaches its wall.
    """

    exit_code = 1


class ConfigError(LoopError):
    """Name a configuration value that cannot be used: file, key, value, what is allowed."""

    exit_code = 2


class ContractError(LoopError):
    """Name the fields of an outsider's data that break its contract.

    ``violations`` holds one line each, such as ``action: 'dance' is not one of ...``.
    """

    def __init__(self, subject: str, violations: list[str]) -> None:
        self.subject = subject
        self.violations = violations
        super().__init__(f"{subject}: " + "; ".join(violations))


class CorruptFileError(LoopError):
    """Name a file that exists but does not parse."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class FileWriteError(LoopError):
    """Name a file that could not be written, replaced or removed, and the system's reason."""

    def __init__(self, path: Path, act: str, cause: OSError) -> None:
        self.path = path
        self.cause = cause
        super().__init__(f"cannot {act} {path}: {cause.strerror or cause}")


class CommandError(LoopError):
    """Name a command that cannot be parsed or started."""


class WorkspaceBusyError(LoopError):
    """Say which daemon holds the workspace."""

    exit_code = 3
