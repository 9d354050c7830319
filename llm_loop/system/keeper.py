"""Hold one command, a training or a model call, and write down how it ended.

Started by path as ``python -I -S -X utf8 keeper.py FOLDER``: a tiny process of the standard library
alone that outlives the daemon. In FOLDER it finds ``spec.json`` and leaves, in this order:

    keeper.lock    locked exclusively for life; who cannot lock it starts nothing
    exit.reserve   bytes set aside, so that a full disk cannot hide an ending
    started.json   pid and identity of the command and of the keeper
    exit.json      exit code, cause, times, CPU, peak memory, and what its drive said to one write more where it
                   refused that; its existence means: over

Causes: exited, signalled, stopped (the stop file), interrupted (SIGTERM: the machine shuts down),
deadline, start_failed, keeper_error.

``spec.json``: argv (argv[0] absolute), cwd, stdin (path or null), stdout, stderr (paths), stop_file,
grace_s, deadline_s (or null), tag (or null), log_max_bytes (or null: the disk that each of stdout and
stderr may take; the middle of a longer one is given up, where it then reads as zeros). The environment
is the keeper's own, so that nothing of it is on disk. Times are seconds; ``exit.json`` has wall times
in UTC for people, a duration, and the machine's monotonic seconds at both ends, so that the daemon can
tell how long a slot stood idle. Time asleep counts nowhere. Where the drive has gone or refuses to be
written, the ending is written when it is back.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

_RESERVE_BYTES = 4096
_LOOK_S = 0.2
_TRY_AGAIN_S = 1.0
_LOG_LOOK_S = 1.0
_PROBE_BYTES = 65_536  # about what a training writes before anybody sees a word of it
_LEAST_GIVEN_UP_BYTES = 65_536


def main(folder: str) -> int:
    """Hold the command that ``folder``/spec.json names; return 0, or 3 when nothing may be started."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs a megabyte here
    sys.path.insert(0, here)
    platform = importlib.import_module("platform_windows" if os.name == "nt" else "platform_posix")
    presence = importlib.import_module("presence")
    folder = os.path.realpath(folder)
    drive = presence.device_of(folder)
    lock = platform.open_lock_file(_in(folder, "keeper.lock"))
    if not _lock_patiently(platform, lock):
        return 3
    os.write(lock, b"1")
    if _exists(folder, "void.json") or _exists(folder, "exit.json"):
        return 3
    terminations: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: terminations.append(number))
    ending: dict[str, Any] = {"schema_version": 1, "exit_code": None, "cause": "keeper_error", "detail": None}
    ending |= {"started_utc": _utc(), "cpu_s": None, "peak_memory_bytes": None, "drive_refused": None}
    began = platform.awake_seconds()
    tree: Any = None
    platform.keep_awake(True)  # for as long as this process lives, whatever becomes of the daemon

    def goes_by(error: OSError) -> bool:
        return bool(presence.goes_by(error, folder, drive))

    try:
        _reserve(folder)
        spec = _read(folder, "spec.json")
        tree = platform.ProcessTree(spec.get("tag"))
        _hold(folder, spec, tree, platform, ending, terminations)
        if ending["cause"] in ("exited", "signalled"):
            ending["drive_refused"] = _what_refuses_writing(folder, goes_by)
    except Exception as error:  # noqa: BLE001 - the keeper's wall: an ending is written whatever happens
        ending["detail"] = f"{type(error).__name__}: {error}"[:500]
        if isinstance(error, OSError) and goes_by(error):
            ending["drive_refused"] = str(error)[:300]
    if tree is not None:
        tree.end_all()
        ending["cpu_s"], ending["peak_memory_bytes"] = tree.usage()
    ended = ending.pop("ended", None) or platform.awake_seconds()
    ending |= {"ended_utc": _utc(), "duration_s": round(ended - began, 3)}
    ending |= {"started_monotonic_s": round(began, 3), "ended_monotonic_s": round(ended, 3)}
    platform.keep_awake(False)
    while not _ending_is_written(folder, ending, goes_by):
        if terminations:  # the machine shuts down
            break
        time.sleep(_TRY_AGAIN_S)
    return 0


def _lock_patiently(platform: Any, lock: int) -> bool:
    """Take the lock; on Windows somebody who only looks whether it is held may have it for an instant."""
    for _ in range(10):
        if platform.try_lock(lock):
            return True
        time.sleep(0.01)
    return False


def _hold(
    folder: str, spec: dict[str, Any], tree: Any, platform: Any, ending: dict[str, Any], terminations: list[int]
) -> None:
    """Start the command, wait for it, and fill in exit code and cause."""
    if os.path.exists(spec["stop_file"]):  # noqa: PTH110
        ending |= {"cause": "stopped", "detail": "asked to stop before it started"}
        return
    stdin = open(spec["stdin"] or os.devnull, "rb")  # noqa: SIM115, PTH123 - open for the keeper's life
    stdout = open(spec["stdout"], "ab", buffering=0)  # noqa: SIM115, PTH123
    stderr = open(spec["stderr"], "ab", buffering=0)  # noqa: SIM115, PTH123
    try:
        pid = tree.start(spec["argv"], spec["cwd"], stdin, stdout, stderr)
    except OSError as error:
        where = "" if error.filename else f"{spec['argv'][0]} in {spec['cwd']}: "  # Windows does not name it
        ending |= {"cause": "start_failed", "detail": f"{where}{error}"[:500]}
        return
    identity = {"pid": pid, "identity": platform.process_identity(pid)}
    keeper = {"keeper_pid": os.getpid(), "keeper_identity": platform.process_identity(os.getpid())}
    _write_if_possible(folder, "started.json", {**identity, **keeper, "started_utc": _utc()})
    logs = _BoundedLogs(spec, platform.free_range)
    cause = _wait(spec, tree, terminations, platform.awake_seconds, logs.look)
    ending["ended"] = platform.awake_seconds()
    tree.end_all()
    ending |= {"cause": cause, "exit_code": tree.exit_code()}
    if cause == "exited" and os.name != "nt" and ending["exit_code"] < 0:
        ending |= {"cause": "signalled", "detail": f"signal {-ending['exit_code']}"}


def _wait(
    spec: dict[str, Any],
    tree: Any,
    terminations: list[int],
    now: Callable[[], float] = time.monotonic,
    meanwhile: Callable[[float], None] = lambda now_s: None,
) -> str:
    """Wait until the command ends by itself, is asked to stop, or reaches its deadline; return the cause.

    ``now`` tells the seconds awake: a deadline does not come nearer while the machine sleeps. ``meanwhile`` is called
    with them at each look.
    """
    deadline = None if spec["deadline_s"] is None else now() + spec["deadline_s"]
    while not tree.wait(_LOOK_S):
        meanwhile(now())
        is_late = deadline is not None and now() >= deadline
        cause = _reason_to_stop(spec, is_late, terminations)
        if cause is None:
            continue
        if cause != "stopped":
            _touch(spec["stop_file"])
        tree.interrupt()
        patience_ends = now() + spec["grace_s"]
        while now() < patience_ends and not tree.wait(0.05):
            pass
        return cause
    if os.path.exists(spec["stop_file"]):  # noqa: PTH110
        return "stopped"
    return "interrupted" if _shut_down(tree.exit_code(), terminations) else "exited"


class _BoundedLogs:
    """Keep the logs of a command within the disk that they may take: a first quarter and a last half stay."""

    def __init__(self, spec: dict[str, Any], free_range: Callable[[str, int, int], bool]) -> None:
        self._most: int = spec.get("log_max_bytes") or 0
        self._free_range = free_range
        self._freed = {spec[name]: self._most // 4 for name in ("stdout", "stderr") if self._most}
        self._next_s = 0.0

    def look(self, now_s: float) -> None:
        """Give up what a log has too much, about once a second; a file system that cannot is not asked again."""
        if not self._freed or now_s < self._next_s:
            return
        self._next_s = now_s + _LOG_LOOK_S
        for path, begin in list(self._freed.items()):
            try:
                end = os.path.getsize(path) - self._most // 2  # noqa: PTH202
                if end - begin < max(self._most // 4, _LEAST_GIVEN_UP_BYTES):
                    continue
                can = self._free_range(path, begin, end - begin)
            except OSError:  # its drive is away
                continue
            if can:
                self._freed[path] = end
            else:
                del self._freed[path]


def _shut_down(exit_code: int, terminations: list[int]) -> bool:
    """Tell whether the command fell to a SIGTERM that the keeper got too: a machine that shuts down sends it to all."""
    if exit_code != -signal.SIGTERM:
        return False
    patience_ends = time.monotonic() + _LOOK_S
    while not terminations and time.monotonic() < patience_ends:
        time.sleep(0.01)
    return bool(terminations)


def _reason_to_stop(spec: dict[str, Any], is_late: bool, terminations: list[int]) -> str | None:
    if os.path.exists(spec["stop_file"]):  # noqa: PTH110
        return "stopped"
    if terminations:  # the machine shuts down
        return "interrupted"
    return "deadline" if is_late else None


def _reserve(folder: str) -> None:
    with open(_in(folder, "exit.reserve"), "wb") as stream:  # noqa: PTH123
        stream.write(b" " * _RESERVE_BYTES)
        stream.flush()
        os.fsync(stream.fileno())


def _what_refuses_writing(folder: str, goes_by: Callable[[OSError], bool]) -> str | None:
    """Return why the drive of a command that ended cannot be written, None where it can: its logs could not tell."""
    probe = _in(folder, "exit.probe")
    try:
        stream = open(probe, "xb")  # noqa: SIM115, PTH123 - closed below; one that lies there is not ours
    except OSError as error:
        return str(error)[:300] if goes_by(error) else None
    why = None
    try:
        with stream:
            stream.write(bytes(_PROBE_BYTES))
    except OSError as error:
        why = str(error)[:300] if goes_by(error) else None
    _remove(probe)
    return why


def _ending_is_written(folder: str, ending: dict[str, Any], goes_by: Callable[[OSError], bool]) -> bool:
    """Write ``exit.json``; tell whether it is there. Raises OSError for what does not go by."""
    try:
        _write_ending(folder, ending)
    except OSError as error:
        if not goes_by(error):
            raise
        return False
    return True


def _write_ending(folder: str, ending: dict[str, Any]) -> None:
    """Turn the reserve into exit.json; the bytes are there already, so a full disk does not matter.

    On Windows a scanner may hold the reserve open: then the ending goes into a file of its own.
    """
    data = json.dumps(ending, ensure_ascii=False).encode("utf-8", "backslashreplace")[: _RESERVE_BYTES - 1]
    try:
        _put_ending(folder, "exit.reserve", data)
    except PermissionError:
        _put_ending(folder, "exit.json.tmp", data)


def _put_ending(folder: str, name: str, data: bytes) -> None:
    path = _in(folder, name)
    mode = "r+b" if os.path.exists(path) else "wb"  # noqa: PTH110
    with open(path, mode) as stream:  # noqa: PTH123
        stream.write(data.ljust(_RESERVE_BYTES - 1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    _replace(path, _in(folder, "exit.json"))


def _remove(path: str) -> None:
    """Remove a file of a moment; on Windows, where a scanner may have it open, try for two seconds."""
    for _ in range(40 if os.name == "nt" else 1):
        try:
            os.remove(path)  # noqa: PTH107
            return
        except OSError:
            time.sleep(0.05)


def _replace(source: str, target: str) -> None:
    """Put a file in place; on Windows, where somebody may have one of them open, try for two seconds."""
    for _ in range(40):
        try:
            os.replace(source, target)  # noqa: PTH105
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(0.05)
    os.replace(source, target)  # noqa: PTH105


def _write_if_possible(folder: str, name: str, value: dict[str, Any]) -> None:
    """Write a file that only informs: a full disk must not end a healthy run."""
    try:
        partial = _in(folder, name + ".tmp")
        with open(partial, "w", encoding="utf-8") as stream:  # noqa: PTH123
            json.dump(value, stream)
        _replace(partial, _in(folder, name))
    except OSError:
        return


def _touch(path: str) -> None:
    try:
        with open(path, "ab"):  # noqa: PTH123
            return
    except OSError:
        return


def _read(folder: str, name: str) -> dict[str, Any]:
    with open(_in(folder, name), encoding="utf-8") as stream:  # noqa: PTH123
        value: dict[str, Any] = json.load(stream)
    return value


def _in(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118


def _exists(folder: str, name: str) -> bool:
    return os.path.exists(_in(folder, name))  # noqa: PTH110


def _utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
