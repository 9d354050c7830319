"""Never while a run uses the environment: two looks, and a lock that every install of an environment takes.

- The daemon opens an install only when no run of its own uses that environment, and launches none until the answer
  is taken. It names the folders of attempts that may still live; a held ``keeper.lock`` in one of them refuses.
- ``lock_of(python)`` is held for the life of an install or an undo, by whichever workspace; ``is_held`` on it tells
  another workspace's daemon to hold a launch.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_loop.errors import WorkspaceBusyError
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.system.instance_lock import InstanceLock, is_held

_PATIENCE_S = 0.5
_NAME = ".llm_loop-install.lock"


def lock_of(python: Path) -> Path:
    """Return the lock file of the environment of a Python, by its path alone.

    It lies in a virtual environment's own folder; for any other Python in the folder for temporary files.
    """
    for folder in (python.parent, python.parent.parent):
        if (folder / "pyvenv.cfg").is_file():
            return Path(os.path.realpath(folder)) / _NAME
    place = os.path.normcase(os.path.realpath(python))
    return Path(tempfile.gettempdir()) / f"llm_loop-install-{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock"


def is_being_changed(python: Path) -> bool:
    """Tell whether an install or undo is at work in the environment of a Python; asked before a launch."""
    return is_held(lock_of(python))


class OthersChange:
    """Know whether another workspace's loop changes an environment; ``LONGEST_S`` is more than any change takes.

    Whoever holds the lock for longer is no install, and nobody waits for it any more.
    """

    LONGEST_S = 3600.0

    def __init__(self) -> None:
        self._since_s: float | None = None

    def is_at_work(self, python: Path, now_s: float) -> bool:
        """Tell whether a change is at work in the environment of a Python; ``now_s`` is monotonic."""
        if not is_being_changed(python):
            self._since_s = None
            return False
        self._since_s = now_s if self._since_s is None else self._since_s
        return now_s - self._since_s < self.LONGEST_S


@contextmanager
def sole_use(python: Path, attempts: Iterable[Path]) -> Iterator[None]:
    """Hold an environment for a change. Raises RepairRefused when a run or another change uses it."""
    try:
        with InstanceLock(lock_of(python), "another install", _PATIENCE_S):
            for attempt in attempts:
                if is_held(attempt / "keeper.lock"):
                    raise RepairRefused(Reason.IN_USE, f"a run uses the environment ({attempt}): it is not changed now")
            yield
    except WorkspaceBusyError as error:
        raise RepairRefused(Reason.IN_USE, f"another install is at work in the environment of {python}") from error
