"""What pip says when it does not install, and the reason that it stands for."""

from __future__ import annotations

import re
from collections.abc import Collection

from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.requirement import normal_name

# First match wins: (pattern in pip's output, reason, what to say; `{0}` is the pattern's first group that matched).
_TABLE: tuple[tuple[str, Reason, str], ...] = (
    (
        r"No space left on device|\[Errno 28\]|\[WinError 112\]|not enough space on the disk|Disk quota exceeded",
        Reason.DISK_FULL,
        "the disk is full",
    ),
    (
        r"externally-managed-environment",
        Reason.EXTERNALLY_MANAGED,
        "the environment belongs to the operating system's package manager",
    ),
    (
        r"Cannot install (.+?) because these package versions have conflicting dependencies|ResolutionImpossible",
        Reason.CONFLICT,
        "{0} cannot stand beside what is installed",
    ),
    (
        r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|NameResolutionError|CERTIFICATE_VERIFY_FAILED"
        r"|SSLError|Read timed out|Connection (?:reset|aborted|broken)",
        Reason.INDEX_UNREACHABLE,
        "the package index does not answer",
    ),
    (
        r"No matching distribution found for (\S+)|Could not find a version that satisfies the requirement (\S+)",
        Reason.NOT_AVAILABLE,
        "{0} has no ready-made build for this Python on any index that pip knows",
    ),
    (
        r"Package '([^']+)' requires a different Python",
        Reason.NOT_AVAILABLE,
        "{0} does not support this Python",
    ),
)
_CONSTRAINED = re.compile(r"The user requested \(constraint\) ([A-Za-z0-9._-]+?)==(\S+)")


def failure_of(output: str, exit_code: int, protected: Collection[str], *, what: str) -> RepairRefused:
    """Return the error for a pip that ended with an exit code other than 0, from what it said."""
    for pattern, reason, text in _TABLE:
        if match := re.search(pattern, output):
            subject = next((group for group in match.groups() if group), "the package")[:200]
            if reason is Reason.CONFLICT and (held := _held_back(output, protected)):
                return RepairRefused(Reason.PROTECTED, f"{subject} wants another {held}, and that is protected")
            return RepairRefused(reason, f"{what}: {text.format(subject)}")
    errors = [line.strip() for line in output.splitlines() if line.strip().lower().startswith("error")]
    last = f": {errors[-1][:200]}" if errors else ""
    return RepairRefused(Reason.PIP_FAILED, f"{what} ended with exit code {exit_code}{last}")


def _held_back(output: str, protected: Collection[str]) -> str | None:
    """Return the protected package that a conflict is about, with its version."""
    for name, version in _CONSTRAINED.findall(output):
        if normal_name(name) in protected:
            return f"{name} than {version}"
    return None
