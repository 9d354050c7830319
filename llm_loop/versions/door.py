"""The door of one checkout: which of its paths may be edited, and what an edited file may hold."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from pathlib import Path

from llm_loop.contract.outside_file import read_outside
from llm_loop.system.links import is_link
from llm_loop.versions.checkout import CheckoutRequest
from llm_loop.versions.ignoring import IGNORE_FILE, Chain, Ignores, is_ignored
from llm_loop.versions.names import AGENT_FOLDERS, folded, no_code_folders, path_trouble, tidy
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CACHES, NEVER_CODE, SOURCE_SUFFIXES
from llm_loop.versions.store import Version

MOST_FILES = 40
LARGEST_BYTES = 200_000


class Door:
    """Judge paths and contents of one checkout, by the version it began as."""

    def __init__(self, request: CheckoutRequest, version: Version) -> None:
        self._request, self._version = request, version
        self._folder = request.folder
        self._no_code = no_code_folders(request.rules, version.files)
        self._known = {folded(path): path for path in version.files}
        self._code_folders = {above for path in version.files for above in _prefixes(path.rpartition("/")[0])}
        self._chains: dict[str, Chain] = {}

    def admit(self, path: str) -> str:
        """Return the tidied path of an edit. Raises CodeRefused with the reason."""
        path = tidy(path)
        if trouble := self.trouble(path):
            raise CodeRefused(trouble)
        self._check_place(path)
        return path

    def trouble(self, path: str) -> str:
        """Return why ``path``, by its name alone, may not be edited, or ""."""
        if trouble := path_trouble(path):
            return trouble
        for folder, what in self._no_code.items():
            if folded(path) == folded(folder) or folded(path).startswith(f"{folded(folder)}/"):
                return f"{folder} is {what}: an edit there would be lost"
        if self._is_kept_out(path):
            return "the path leads to what is kept out of the code"
        if (same := self._known.get(folded(path), path)) != path:
            return f"it differs from {same} in case or accents alone"
        if path not in self._version.files and self.is_swept(path.rpartition("/")[0]):
            return "it lies in a folder that git or .gitignore ignores"
        return ""

    def is_swept(self, folder: str) -> bool:
        """Tell whether a folder holds no code by the base's own rules, such as a cache; "" never does."""
        if not folder:
            return False
        if folder.rpartition("/")[2] in CACHES or folder in self._no_code:
            return True
        if folder in self._code_folders:
            return False
        if _is_nobodys_code(folder):
            return True
        return any(self._ignored(part, folder=True) for part in _prefixes(folder))

    def is_left_behind(self, path: str) -> bool:
        """Tell whether a new file is by-catch: ignored, and of no kind that a person means to keep."""
        if _is_nobodys_code(path):
            return True
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
        return suffix not in SOURCE_SUFFIXES and self._ignored(path, folder=False)

    def _check_place(self, path: str) -> None:
        """Raise CodeRefused where the folders above ``path``, or what lies there, are not what they seem."""
        folder = self._folder
        parts = path.split("/")
        for number, part in enumerate(parts):
            names = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208
            other = next((name for name in names if folded(name) == folded(part) and name != part), None)
            if other is not None and part not in names:
                raise CodeRefused(f"{part} differs from {other} in case or accents alone")
            folder = folder / part
            try:
                status = folder.lstat()
            except FileNotFoundError:
                continue
            last = number == len(parts) - 1
            if is_link(status):
                raise CodeRefused(f"{'/'.join(parts[: number + 1])} is a link")
            if stat.S_ISDIR(status.st_mode) == last or not (last or stat.S_ISDIR(status.st_mode)):
                raise CodeRefused(f"{'/'.join(parts[: number + 1])} is {'a folder' if last else 'no folder'}")
            if last and not stat.S_ISREG(status.st_mode):
                raise CodeRefused(f"{path} is no regular file")

    def _is_kept_out(self, path: str) -> bool:
        place = Path(os.path.normpath(self._request.repository / path))
        return any(place == one or one in place.parents for one in self._request.rules.keep_out)

    def _ignored(self, path: str, *, folder: bool) -> bool:
        return is_ignored(self._chain(path.rpartition("/")[0]), path, folder=folder)

    def _chain(self, folder: str) -> Chain:
        if folder not in self._chains:
            around = self._chain(folder.rpartition("/")[0]) if folder else ()
            self._chains[folder] = self._ignores.deeper(around, folder) if folder else self._ignores.chain()
        return self._chains[folder]

    @cached_property
    def _ignores(self) -> Ignores:
        """The patterns of the base: what the worker writes into an ignore file hides nothing."""
        store = self._request.store

        def read(folder: str) -> bytes | None:
            entry = self._version.files.get(f"{folder}/{IGNORE_FILE}" if folder else IGNORE_FILE)
            return None if entry is None else store.content(entry)

        return Ignores(self._request.repository, read)


def checked_text(data: bytes, largest: int = LARGEST_BYTES) -> str:
    """Return the text of a file of code, a byte order mark left in. Raises CodeRefused."""
    if len(data) > largest:
        raise CodeRefused(too_large(len(data), largest))
    if b"\0" in data:
        raise CodeRefused("it is no text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CodeRefused(f"it is no UTF-8 text (byte {error.start})") from error


def too_large(size: int, largest: int = LARGEST_BYTES) -> str:
    """Return why a file of ``size`` bytes is refused."""
    return f"it has {size:,} bytes; at most {largest:,} are allowed in a changed file"


def read_file(place: Path, largest: int) -> bytes | None:
    """Return a checkout's file, None when it is missing. Raises CodeRefused for one that cannot be taken."""
    try:
        return read_outside(place, largest)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CodeRefused(f"it cannot be read: {error.strerror}") from error


def _is_nobodys_code(path: str) -> bool:
    """Tell whether a part of a path is a name of git's, the loop's or an agent's own."""
    return not {*path.lower().split("/")}.isdisjoint(NEVER_CODE | AGENT_FOLDERS)


def _prefixes(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
