"""The one writer of files: whole or not at all, UTF-8, with a bounded patience for sharing errors.

Replacing goes through a temporary file in the same folder, flush, fsync and ``os.replace``. On
Windows a file that somebody has open cannot be replaced or removed (WinError 5 and 32), so those
calls are tried again for about a second; then the old file stands and a ``FileWriteError`` says who
could not be written. A file that was held for so long is tried once a call from then on, without
pauses, until it can be had again: who writes it at each tick must not sleep at each tick.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from llm_loop.errors import CorruptFileError, FileWriteError

T = TypeVar("T")

_RETRY_PAUSES_S = (0.005, 0.01, *[0.02] * 50)  # many short ones: a busy reader leaves gaps, but none for long
_READ_PAUSES_S = (0.005, 0.01, 0.02, 0.05)  # a reader meets no more than the instant of a replacement
_FILES_ARE_SHARED = os.name == "nt"  # elsewhere a refusal is for good
_long_held: set[Path] = set()


def read_text(path: Path) -> str:
    """Return a text file's content without a byte order mark.

    Raises FileNotFoundError when it is missing, CorruptFileError when it is not UTF-8.
    """
    try:
        return _patiently(path, lambda: path.read_text(encoding="utf-8-sig"), _READ_PAUSES_S)
    except UnicodeDecodeError as error:
        raise CorruptFileError(path, f"not UTF-8 text (byte {error.start})") from error


def read_json(path: Path) -> Any:
    """Return a JSON file's value.

    Raises FileNotFoundError when it is missing, CorruptFileError when it does not parse.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise CorruptFileError(path, f"not JSON (line {error.lineno}: {error.msg})") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested too deeply
        raise CorruptFileError(path, f"not JSON that can be read ({error})") from error


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Write a value as JSON text; NaN and infinities are refused with ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file's content, atomically.

    ``durable=False`` leaves out the fsync: right only for a file that is rewritten every few
    seconds and worth nothing after a power cut, such as the heartbeat. Raises FileWriteError; the
    old file then stands.
    """
    replace_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def replace_bytes(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Replace a file's content by bytes, as ``replace_text`` does. Raises FileWriteError."""
    temporary: str | None = None
    try:
        make = functools.partial(tempfile.mkstemp, prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        handle, temporary = _with_folder(path.parent, make)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp makes it private; these files are for people
        _patiently(path, functools.partial(os.replace, temporary, path))
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):  # a scanner may hold this one too
                Path(temporary).unlink(missing_ok=True)
        raise FileWriteError(path, "write", error) from error


def replace_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace a JSON file, indented for people. Raises FileWriteError."""
    replace_text(path, json_text(value, indent=2) + "\n", durable=durable)


def append_line(path: Path, line: str, *, durable: bool = True) -> None:
    """Append a line, or several, in one write. Raises FileWriteError; then nothing was added.

    A nearly full disk may take a part only: that part is cut off again, as is a line that could not
    be made durable.
    """
    try:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        with _with_folder(path.parent, lambda: _patiently(path, lambda: path.open("ab", buffering=0))) as stream:
            before = stream.seek(0, os.SEEK_END)
            try:
                if stream.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if durable:
                    os.fsync(stream.fileno())
            except OSError:
                stream.truncate(before)
                raise
    except OSError as error:
        raise FileWriteError(path, "append to", error) from error


def remove(path: Path) -> None:
    """Remove a file; a missing one is fine. Raises FileWriteError."""
    try:
        _patiently(path, lambda: path.unlink(missing_ok=True))
    except OSError as error:
        raise FileWriteError(path, "remove", error) from error


def set_aside(path: Path, stamp: str) -> Path:
    """Move a corrupt file to ``NAME.corrupt-<stamp>`` and return its new place. Raises FileWriteError."""
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    try:
        _patiently(path, functools.partial(os.replace, path, aside))
    except OSError as error:
        raise FileWriteError(path, "set aside", error) from error
    return aside


def signature(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written anew, time of change in ns and size; None when missing."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def free_bytes(folder: Path) -> int:
    """Return the free disk space, in bytes, where ``folder`` lies."""
    return shutil.disk_usage(folder).free


def read_tail(path: Path, max_bytes: int) -> str:
    """Return the last ``max_bytes`` of a text file as text; "" when it is missing.

    Undecodable bytes become U+FFFD: logs are untrusted.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - max_bytes))
            return stream.read(max_bytes).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _with_folder(folder: Path, act: Callable[[], T]) -> T:
    """Return ``act()``; make the folder when it is missing, which costs nothing when it is not."""
    try:
        return act()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return act()


def _patiently(path: Path, act: Callable[[], T], pauses_s: tuple[float, ...] = _RETRY_PAUSES_S) -> T:
    """Return ``act()``, tried again after a sharing error of Windows, for about a second in all.

    One try, and no pause, for a ``path`` that was held so long before.
    """
    for pause_s in () if path in _long_held else pauses_s:
        try:
            return act()
        except PermissionError:
            if not _FILES_ARE_SHARED:
                raise
            time.sleep(pause_s)
    _long_held.add(path)
    value = act()
    _long_held.discard(path)
    return value
