"""What pip says when it fails, and the one line that a person needs instead."""

from __future__ import annotations

import re
import sys

from environments.problem import SetupProblem

_AGAIN = "run the same command again: it goes on where it stopped"

# First match wins: (pattern in pip's output, what happened, what to do). `{0}` is the pattern's first group.
_TABLE: tuple[tuple[str, str, str], ...] = (
    (
        r"No space left on device|\[Errno 28\]|\[WinError 112\]|not enough space on the disk|Disk quota exceeded",
        "The disk is full",
        f"Free some space (also in the folder for temporary files), then {_AGAIN}",
    ),
    (
        r"Read-only file system: '?([^'\n]+)'?|\[Errno 13\] Permission denied: '?([^'\n]+)'?",
        "{0} cannot be written",
        "Put the checkout into a folder that you may write to, or run as the user who owns it",
    ),
    (
        r"\[WinError (?:5|32)\] [^:\n]+: '?([^'\n]+)'?",
        "{0} is in use by another program",
        f"Stop the loop and its trainings, then {_AGAIN}",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "A package index showed a certificate that this machine does not trust",
        "If your network has its own certificates, tell pip: pip config set global.cert FILE",
    ),
    (
        r"(?s)(?:NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|NameResolutionError)"
        r".*No matching distribution found for (\S+)",
        "{0} cannot be fetched, because the package index does not answer",
        f"Check the network and pip's settings (pip config list), then {_AGAIN}",
    ),
    (
        r"Could not find a version that satisfies the requirement (\S+) \(from versions: none\)",
        "{0} cannot be had: the package index does not answer or does not hold it",
        "Check the network and pip's settings (pip config list); behind a mirror, see that it holds this package",
    ),
    (
        r"No matching distribution found for (\S+)",
        "{0} cannot be had for this Python ({python}) on this machine",
        "Use 64-bit Python 3.11, 3.12 or 3.13; behind a mirror, see that it holds this version",
    ),
    (
        r"Package '([^']+)' requires a different Python",
        "{0} does not support this Python ({python})",
        "Use 64-bit Python 3.11, 3.12 or 3.13",
    ),
    (
        r"Cannot install (.+?) because these package versions have conflicting dependencies",
        "These packages cannot stand together: {0}",
        "Undo your change to constraints/ or pyproject.toml",
    ),
    (
        r"DO NOT MATCH THE HASHES|Wheel '([^']+)' .*is invalid|has an invalid wheel",
        "A download arrived damaged",
        f"Clear pip's cache (pip cache purge), then {_AGAIN}",
    ),
    (
        r"ReadTimeoutError|Read timed out|Connection (?:reset|aborted|broken)|IncompleteRead|ProtocolError",
        "A download broke off",
        f"Check the network, then {_AGAIN}",
    ),
    (
        r"Failed to build (?:installable wheels for some pyproject\.toml based projects \()?([\w.-]+)"
        r"|Failed building wheel for (\S+)",
        "{0} has no ready-made build for this Python ({python})",
        "Use 64-bit Python 3.11, 3.12 or 3.13, for which there are builds",
    ),
    (
        r"No module named '?pip'?",
        "The environment has no pip",
        "Delete the environment's folder and run the same command again",
    ),
)
_KILLED = (-9, 137)


def explain(output: str, exit_code: int, log: str) -> SetupProblem:
    """Return the problem behind a failed pip call.

    `output` is all that pip printed, `exit_code` its return code, `log` the file that holds the same text.
    """
    for pattern, what, mend in _TABLE:
        found = re.search(pattern, output)
        if found:
            name = next((group for group in found.groups() if group), "A package")
            return SetupProblem(what.format(name, python=_python()), f"{mend} (pip's own words: {log})")
    if exit_code in _KILLED:
        return SetupProblem("pip was killed, most likely for want of memory", "Close other programs and run it again")
    last = [line for line in output.splitlines() if line.strip()][-1:] or [f"exit code {exit_code}"]
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or last
    return SetupProblem(f"pip failed: {errors[0].removeprefix('ERROR:').strip()}", f"All that it said is in {log}")


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
