"""See whether the loop's own folder is there: gone with its drive for a while, or removed or replaced for good.

A drive that is away is waited for: nothing is read, written or decided, runs train on as far as they can, and their
endings are read when it is back. A folder that was removed or replaced ends the loop, for another daemon may hold the
new one. Each look is one question to the drive, in the tick itself: everything that the loop does is on that drive,
so where it does not answer there is nothing to go on with. A tick that had to wait so counts against no run.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.folders import never_make_anew
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.system.presence import device_of, is_away


class Presence(StrEnum):
    """How the folder is: there, away with its drive, removed, or another one in its place."""

    THERE = "there"
    AWAY = "away"
    REMOVED = "removed"
    REPLACED = "replaced"


class HomeWatch:
    """Watch the folder of one workspace. ``lock`` is the instance lock that the caller holds, None in a trial."""

    def __init__(self, paths: WorkspacePaths, say: Callable[[str], None], lock: InstanceLock | None = None) -> None:
        self._paths, self._say, self._lock = paths, say, lock
        never_make_anew(paths.loop, known_by=paths.instance_lock)
        self._folder = Path(paths.loop).resolve()
        self._device = device_of(self._folder)
        self._file = _file_of(paths.instance_lock)
        self._away_s: float | None = None
        self.was_away_s: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the drive was away at the last look."""
        return self._away_s is not None

    def look(self, now_s: float) -> Presence:
        """Return how the folder is now. ``was_away_s`` then says for how long it was away, when it has come back."""
        presence = self._presence()
        if presence is Presence.AWAY and self._away_s is None:
            self._away_s = now_s
            self._say(f"the drive of {self._folder} is not there: the loop waits until it is back, runs train on.")
        elif presence is not Presence.AWAY and self._away_s is not None:
            self.was_away_s, self._away_s = now_s - self._away_s, None
            self._say(f"the drive of {self._folder} is back: the loop goes on.")
        return presence

    def _presence(self) -> Presence:
        if self._file is None:
            return Presence.THERE
        try:
            entry = self._paths.instance_lock.stat()
        except OSError:
            return Presence.AWAY if is_away(self._folder, self._device) else Presence.REMOVED
        if (entry.st_dev, entry.st_ino) == self._file:
            return Presence.THERE
        return Presence.THERE if entry.st_ino == self._file[1] and self._is_mounted_anew() else Presence.REPLACED

    def _is_mounted_anew(self) -> bool:
        """Tell whether the same drive has come back under another number, and take the lock again."""
        device = device_of(self._folder)
        if device == self._device or self._lock is None or not self._lock.retake():
            return False
        self._device, self._file = device, _file_of(self._paths.instance_lock)
        return True


def _file_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None when there is none."""
    try:
        entry = path.stat()
    except OSError:
        return None
    return entry.st_dev, entry.st_ino
