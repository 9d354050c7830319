"""The one writer of files: whole or not at all, UTF-8, with a bounded patience for sharing errors.

Replacing goes through a temporary file in the same folder, fsync and ``os.replace``. On Windows a file
that somebody has open cannot be replaced or removed (WinError 5 and 32), so those calls are tried again
for about a second; then the old file stands and a ``FileWriteError`` says who could not be written. A
file that was held for so long is tried once a call from then on, without pauses, until it can be had
again: who writes it at each tick must not sleep at each tick.

Files are opened by the system's own calls: Python's file objects ask once more what each file is, and on
Windows such a question costs more than the opening.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.system.folders import make_folder

T = TypeVar("T")

_RETRY_PAUSES_S = (0.005, 0.01, *[0.02] * 50)  # many short ones: a busy reader leaves gaps, but none for long
_READ_PAUSES_S = (0.005, 0.01, 0.02, 0.05)  # a reader meets no more than the instant of a replacement
_FILES_ARE_SHARED = os.name == "nt"  # elsewhere a refusal is for good
_BINARY = getattr(os, "O_BINARY", 0)
_MODE = 0o666  # what the person's umask leaves of it, as for any file
_READ_BYTES = 65_536
_BLOCK_BYTES = 4096
_ROOM_TO_GROW_BYTES = 4096  # a call for a person that names long paths, and the curve of a run
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_long_held: set[tuple[Path, int]] = set()


def read_text(path: Path) -> str:
    """Return a text file's content without a byte order mark, its line ends as LF.

    Raises FileNotFoundError when it is missing, CorruptFileError when it is not UTF-8.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorruptFileError(path, f"not UTF-8 text (byte {error.start})") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_bytes(path: Path) -> bytes:
    """Return a whole file. Raises FileNotFoundError when it is missing, OSError when it cannot be read."""
    return patiently(path, lambda: _content(path), _READ_PAUSES_S)


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


def file_text(value: Any) -> str:
    """Return the text of a JSON file, indented for people."""
    return json_text(value, indent=2) + "\n"


def replace_text(path: Path, text: str, *, durable: bool = True, make_folder: bool = True) -> None:
    """Replace a file's content, atomically.

    ``durable=False`` leaves out the fsync: right only for a file that is rewritten every few
    seconds and worth nothing after a power cut, such as the heartbeat. ``make_folder=False``: a missing folder is an
    error, for it lies on a drive that may only be away. Raises FileWriteError; the old file then stands.
    """
    replace_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable, make_folder=make_folder)


def replace_bytes(path: Path, data: bytes | memoryview, *, durable: bool = True, make_folder: bool = True) -> None:
    """Replace a file's content by bytes, as ``replace_text`` does. Raises FileWriteError."""
    _replace(path, data, os.replace, durable=durable, make_folder=make_folder)


def replace_text_if(
    path: Path, text: str, is_as_seen: Callable[[], bool], *, durable: bool = True, make_folder: bool = True
) -> tuple[int, int] | None:
    """Replace a file's content if ``is_as_seen()``; return the ``signature`` of what was written, None for nothing.

    It is asked in the instant of the replacement, after each pause anew, so that what a person saves while the new
    content is on its way to the disk stands. Otherwise as ``replace_text``. Raises FileWriteError.
    """
    written: tuple[int, int] | None = None

    def put(temporary: Path, place: Path) -> None:
        nonlocal written
        if not is_as_seen():
            with suppress(OSError):  # a scanner may hold it: the person's file stands all the same
                temporary.unlink(missing_ok=True)
            return
        its_own = temporary.stat()  # asked behind the replacement, it might be that of a person's newer file
        temporary.replace(place)
        written = its_own.st_mtime_ns, its_own.st_size

    _replace(path, text.encode("utf-8", "backslashreplace"), put, durable=durable, make_folder=make_folder)
    return written


def replace_json(path: Path, value: Any, *, durable: bool = True, make_folder: bool = True) -> None:
    """Replace a JSON file, indented for people. Raises FileWriteError."""
    replace_text(path, file_text(value), durable=durable, make_folder=make_folder)


def replace_json_on_full_disk(path: Path, value: Any) -> None:
    """Replace a JSON file so that a full disk does not matter. Not durable; its folder has to be there.

    Blanks make it a little larger than it has to be. Where the disk has no room for a new file, the old one's bytes
    are written over, as far as they hold the new value: a reader may then meet a torn file for an instant. Raises
    FileWriteError; the old file then stands.
    """
    data = file_text(value).encode("utf-8", "backslashreplace")
    blocks = -(-(len(data) + _ROOM_TO_GROW_BYTES) // _BLOCK_BYTES)
    try:
        replace_bytes(path, _padded(data, blocks * _BLOCK_BYTES), durable=False, make_folder=False)
    except FileWriteError as error:
        if error.cause.errno not in _DISK_IS_FULL or not _written_over(path, data):
            raise


def append_line(path: Path, line: str, *, durable: bool = True, make_folder: bool = True) -> None:
    """Append a line, or several, in one write. Raises FileWriteError; then nothing was added.

    A nearly full disk may take a part only: that part is cut off again, as is a line that could not
    be made durable. ``make_folder=False``: a missing folder is an error.
    """
    data = f"{line}\n".encode("utf-8", "backslashreplace")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY
    try:
        opened = functools.partial(patiently, path, lambda: os.open(path, flags, _MODE))
        handle = _with_folder(path.parent, opened) if make_folder else opened()
        try:
            _append(handle, data, durable=durable)
        finally:
            os.close(handle)
    except OSError as error:
        raise FileWriteError(path, "append to", error) from error


def remove(path: Path) -> None:
    """Remove a file; a missing one is fine. Raises FileWriteError."""
    try:
        patiently(path, lambda: path.unlink(missing_ok=True))
    except OSError as error:
        raise FileWriteError(path, "remove", error) from error


def set_aside(path: Path, stamp: str) -> Path:
    """Move a corrupt file to ``NAME.corrupt-<stamp>`` and return its new place. Raises FileWriteError."""
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    try:
        patiently(path, functools.partial(os.replace, path, aside))
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


def _replace(
    path: Path, data: bytes | memoryview, put: Callable[[Path, Path], None], *, durable: bool, make_folder: bool
) -> None:
    """Write ``data`` beside ``path`` and let ``put`` take it there, or away. Raises FileWriteError."""
    temporary: Path | None = None
    try:
        beside = functools.partial(_new_beside, path)
        handle, temporary = _with_folder(path.parent, beside) if make_folder else beside()
        try:
            _write_whole(handle, data)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        patiently(path, functools.partial(put, temporary, path))
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):  # a scanner may hold this one too
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileWriteError(path, "write", error) from error
        raise


def _new_beside(path: Path) -> tuple[int, Path]:
    """Make and open an empty file of a name of its own in the same folder; return handle and path."""
    while True:
        place = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}.tmp")
        with suppress(FileExistsError):
            return os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, _MODE), place


def _write_whole(handle: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _padded(data: bytes, size: int) -> bytes:
    """Return a text's bytes with blanks before the line break at its end."""
    return data[:-1].ljust(size - 1) + b"\n"


def _written_over(path: Path, data: bytes) -> bool:
    """Write over a file's bytes; tell whether it was there and had room."""
    try:
        handle = os.open(path, os.O_WRONLY | _BINARY)
        try:
            size = os.fstat(handle).st_size
            if size < len(data):
                return False
            _write_whole(handle, _padded(data, size))
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def _append(handle: int, data: bytes, *, durable: bool) -> None:
    """Add ``data`` at the end, whole, or leave the file as it was. Raises OSError."""
    before = os.lseek(handle, 0, os.SEEK_END)
    try:
        if os.write(handle, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if durable:
            os.fsync(handle)
    except OSError:
        os.ftruncate(handle, before)
        raise


def _content(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | _BINARY)
    try:
        pieces = list(iter(lambda: os.read(handle, _READ_BYTES), b""))
    finally:
        os.close(handle)
    return b"".join(pieces)


def patiently(path: Path, act: Callable[[], T], pauses_s: tuple[float, ...] = _RETRY_PAUSES_S) -> T:
    """Return ``act()`` on ``path``, tried again after a sharing error of Windows, for about a second in all.

    One try, and no pause, for a ``path`` that was held so long before. Raises what ``act`` raised last.
    """
    key = path, len(pauses_s)  # a reader soon gives up; that must not cost the writer its second
    for pause_s in () if key in _long_held else pauses_s:
        try:
            return act()
        except PermissionError:
            if not _FILES_ARE_SHARED:
                raise
            time.sleep(pause_s)
    _long_held.add(key)
    value = act()
    _long_held.discard(key)
    return value


def _with_folder(folder: Path, act: Callable[[], T]) -> T:
    """Return ``act()``; make the folder when it is missing, which costs nothing when it is not."""
    try:
        return act()
    except FileNotFoundError:
        make_folder(folder)
        return act()
