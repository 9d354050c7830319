"""What the way an attempt ended says by itself: the keeper's word, the loop's own reason, the exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.stop_reasons import (
    BY_WORKER,
    DAEMON_STOP,
    DISK_FULL,
    DIVERGED,
    FINISH_UP,
    FLAG,
    HOST_MEMORY,
    NAN,
    PATTERN,
    SHUTDOWN,
    STALL,
)
from llm_loop.stages.diagnosing.evidence import FailureEvidence, Finding, clean_line
from llm_loop.system.processes import EndCause

_OF_REASON = {
    NAN: (Cause.DIVERGENCE, 0.97),
    DIVERGED: (Cause.DIVERGENCE, 0.97),
    "non_finite_metric": (Cause.DIVERGENCE, 0.9),
    STALL: (Cause.STALL, 0.95),
    HOST_MEMORY: (Cause.HOST_OUT_OF_MEMORY, 0.985),
    DISK_FULL: (Cause.DISK_FULL, 0.985),
    "max_run_seconds": (Cause.DEADLINE, 0.95),
    SHUTDOWN: (Cause.INTERRUPT, 0.985),
    DAEMON_STOP: (Cause.STOPPED, 0.985),
    FINISH_UP: (Cause.STOPPED, 0.985),
    FLAG: (Cause.STOPPED, 0.985),
    "stop_file": (Cause.STOPPED, 0.985),
    BY_WORKER: (Cause.STOPPED, 0.985),
    "invalid_result": (Cause.NO_RESULT, 0.9),
    "no_result": (Cause.NO_RESULT, 0.4),
}
"""Causes of ``stages.record`` and reasons of the loop for which it ends a run."""
_OF_ENDING = {
    EndCause.LOST: (Cause.INTERRUPT, 0.95),
    EndCause.VOID: (Cause.INTERRUPT, 0.95),
    EndCause.INTERRUPTED: (Cause.INTERRUPT, 0.95),
    EndCause.DEADLINE: (Cause.DEADLINE, 0.95),
    EndCause.START_FAILED: (Cause.PROGRAM_MISSING, 0.8),
}
_OF_SIGNAL = {
    "SIGKILL": (Cause.KILLED, 0.6),
    "SIGTERM": (Cause.KILLED, 0.6),
    "SIGXCPU": (Cause.KILLED, 0.7),
    "SIGINT": (Cause.INTERRUPT, 0.8),
    "SIGHUP": (Cause.INTERRUPT, 0.7),
    "SIGSEGV": (Cause.CRASHED, 0.6),
    "SIGABRT": (Cause.CRASHED, 0.5),
    "SIGBUS": (Cause.CRASHED, 0.55),
    "SIGILL": (Cause.CRASHED, 0.6),
    "SIGFPE": (Cause.CRASHED, 0.6),
}
_OF_WINDOWS_CODE = {
    0xC000013A: (Cause.INTERRUPT, 0.8),  # Ctrl-C
    0xC0000017: (Cause.HOST_OUT_OF_MEMORY, 0.85),  # no memory
    0xC000012D: (Cause.HOST_OUT_OF_MEMORY, 0.85),  # commitment limit
    0xC0000135: (Cause.MODULE_VERSION, 0.6),  # a library is missing
    0xC0000139: (Cause.MODULE_VERSION, 0.6),  # an entry point is missing
    0xC0000005: (Cause.CRASHED, 0.6),  # access violation
    0xC00000FD: (Cause.CRASHED, 0.6),  # stack overflow
    0xC0000374: (Cause.CRASHED, 0.6),  # heap corruption
    0xC0000409: (Cause.CRASHED, 0.55),  # abort
}
"""NTSTATUS values that Windows gives as exit codes."""
_OF_SHELL_CODE = {127: (Cause.PROGRAM_MISSING, 0.7), 126: (Cause.PERMISSION, 0.6)}
_NEARLY_ALL_MEMORY = 0.8


def findings_of_ending(evidence: FailureEvidence) -> Iterator[Finding]:
    """Yield what the ending says, without a look at any log."""
    cause = evidence.cause or ""
    if cause.startswith(PATTERN):
        yield Finding(cause=Cause.STOP_PATTERN, confidence=0.8, line=clean_line(cause))
    told = clean_line(f"{cause}: {evidence.detail}" if evidence.detail else cause) or None
    if cause in _OF_REASON:
        of_cause, confidence = _OF_REASON[cause]
        yield Finding(cause=of_cause, confidence=confidence, line=told)
    elif evidence.ending in _OF_ENDING:
        of_cause, confidence = _OF_ENDING[evidence.ending]
        yield Finding(cause=of_cause, confidence=confidence, line=clean_line(evidence.detail or evidence.ending.value))
    elif evidence.ending not in (EndCause.STOPPED, EndCause.KEEPER_ERROR) and evidence.exit_code:
        yield from _of_exit_code(evidence, evidence.exit_code)
    if evidence.metrics_are_finite is False:
        words = "the last epoch reported a loss or metric that is no finite number"
        yield Finding(cause=Cause.DIVERGENCE, confidence=0.75, line=words)


def _of_exit_code(evidence: FailureEvidence, code: int) -> Iterator[Finding]:
    if evidence.is_windows:
        if (known := _OF_WINDOWS_CODE.get(code & 0xFFFFFFFF)) is not None:
            yield Finding(cause=known[0], confidence=known[1], line=f"exit code 0x{code & 0xFFFFFFFF:08X}")
        return
    name = _signal_of(code)
    if name is None:
        if code in _OF_SHELL_CODE:
            yield Finding(cause=_OF_SHELL_CODE[code][0], confidence=_OF_SHELL_CODE[code][1], line=f"exit code {code}")
        return
    if name == "SIGKILL" and _had_all_memory(evidence):
        words = "killed (SIGKILL) while it held most of this machine's memory"
        yield Finding(cause=Cause.HOST_OUT_OF_MEMORY, confidence=0.8, line=words)
    elif name in _OF_SIGNAL:
        cause, confidence = _OF_SIGNAL[name]
        yield Finding(cause=cause, confidence=confidence, line=f"ended by {name}", details=(("signal", name),))


def _signal_of(code: int) -> str | None:
    """Return the name of the signal that an exit code stands for: negative from the keeper, 128 + n from a shell."""
    number = -code if code < 0 else code - 128
    names = {one.value: one.name for one in signal.Signals} | _NUMBERS
    return names.get(number) if 0 < number < 65 else None


_NUMBERS = {
    1: "SIGHUP",
    2: "SIGINT",
    4: "SIGILL",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
}
"""Those that mean the same on every POSIX; Windows, where tests run too, knows a few by other numbers."""


def _had_all_memory(evidence: FailureEvidence) -> bool:
    peak, total = evidence.peak_memory_bytes, evidence.host_memory_bytes
    return peak is not None and total is not None and total > 0 and peak >= _NEARLY_ALL_MEMORY * total
