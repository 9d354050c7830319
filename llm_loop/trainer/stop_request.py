"""The wish that a training end politely: a file named STOP, or SIGINT."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

STOP_FILE = "STOP"


class StopRequest:
    """Answer whether somebody has asked the run to end. Once asked, it stays so."""

    def __init__(self, folder: Path) -> None:
        self._file = str(folder / STOP_FILE)
        self._asked_by: str | None = None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str], output_dir: Path) -> StopRequest:
        """Look in the folder that LLM_LOOP_RUN_DIR names, else in the output folder."""
        return cls(Path(environ.get("LLM_LOOP_RUN_DIR") or output_dir))

    def listen(self) -> None:
        """Take SIGINT (and Ctrl-Break on Windows) as a request. Main thread only."""
        signal.signal(signal.SIGINT, self._on_signal)
        if hasattr(signal, "SIGBREAK"):
            signal.signal(signal.SIGBREAK, self._on_signal)

    @property
    def asked_by(self) -> str | None:
        """Return what asked, such as "STOP file" or "SIGINT"; None while nobody has. Costs one stat call."""
        if self._asked_by is None and os.path.exists(self._file):  # noqa: PTH110 - asked each step
            self._asked_by = "STOP file"
        return self._asked_by

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._asked_by = signal.Signals(number).name
