"""Why a run was asked to end: what stands in the journal and, for a run so ended, as its cause."""

from __future__ import annotations

PATTERN = "pattern:"
"""Behind it stands the stop pattern that was found."""
STALL, NAN, DIVERGED = "stall", "nan", "diverged"
HOST_MEMORY, DISK_FULL = "host_memory", "disk_full"
FAULTS = (PATTERN, STALL, NAN, DIVERGED, HOST_MEMORY, DISK_FULL)
"""The reasons for which a run without a result counts as failed; by any other it counts as cancelled."""

SHUTDOWN = "shutdown"
"""Log-off or shutdown of the machine: the run is resumed at the next start."""
DAEMON_STOP = "daemon_stop"
FINISH_UP = "finish_up"
"""The last hour has come: what is trained so far counts."""
FLAG = "stop_flag:STOP_CURRENT_RUN"
BY_WORKER = "stop_current_run"
CANCELLED, REJECTED = "cancelled by a person", "rejected by a person"
"""Behind the latter a note may stand."""
