"""The store of code versions: a plain folder, by content, without git.

``objects/ab/cdef...`` hold file contents by their SHA-256, ``packs/`` those that came many at once, ``<id>.json``
what a version consists of,
``indexes/`` what is known of a tree from its last walk. Nothing here is ever pruned. A file whose size, times
and inode are those of the last walk is not read again; one that changed within the last second
before that walk is, since a clock that coarse could hide a second change.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import CorruptFileError
from llm_loop.system import files
from llm_loop.versions.packs import Packs, PackWriter
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.scanning import Scan, scan

SCHEMA_VERSION = 1
_SINGLE_UP_TO = 64  # contents of one take that become files of their own
_UNSURE_NS = 1_000_000_000
_LARGEST_KNOWN = 50_000_000
Signature = tuple[int, int, int, int, int]
"""Of a file: size, times of change of content and of status in ns, inode, permissions."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Hold one file of a version: SHA-256 of its content in hex, size in bytes, whether it is executable."""

    sha256: str
    size: int
    executable: bool = False


Known = Mapping[str, tuple[Signature, FileEntry]]
"""What a walk left behind: of each path its signature then, and its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Hold a code version: ``files`` by path with ``/``, ``links`` to folders of the same tree."""

    id: str
    files: Mapping[str, FileEntry]
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.size for entry in self.files.values())


def version_of(entries: Mapping[str, FileEntry], links: Mapping[str, str]) -> Version:
    """Return the version that consists of these files and links. The same content has the same id everywhere."""
    digest = hashlib.sha256()
    for path in sorted(entries):
        entry = entries[path]
        digest.update(f"{path}\0{entry.sha256}\0{int(entry.executable)}\n".encode())
    for path in sorted(links):
        digest.update(f"{path}\0->\0{links[path]}\n".encode())
    return Version(id=digest.hexdigest()[:16], files=dict(entries), links=dict(links))


def signature(status: os.stat_result) -> Signature:
    """Return what changes when a file is written anew."""
    change_ns = status.st_ctime_ns if os.name != "nt" else 0  # there it is the time of creation
    return status.st_size, status.st_mtime_ns, change_ns, status.st_ino, status.st_mode & 0o777


def is_executable(status: os.stat_result) -> bool:
    """Tell whether a file's owner may start it; Windows has no such mark."""
    return os.name != "nt" and bool(status.st_mode & 0o100)


class VersionStore:
    """Keep versions below ``root``, which is made when it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._objects = root / "objects"
        self._packs = Packs(root / "packs")

    def take(self, tree: Path, rules: CodeRules, *, anew: bool = False) -> Version:
        """Return the version that ``tree`` is now, and keep it. ``tree`` is only read.

        A checkout has its version's files and no others: what a run writes beside them is output, not code.
        ``anew`` reads every file again and mends damaged objects. Raises CodeRefused, FileWriteError.
        """
        if (made := _made_as(tree)) is not None and self.holds(made):
            return self.take_like(tree, self.read(made))
        began_ns = time.time_ns()
        found = scan(tree, rules)
        index = TreeIndex(self._index_of(tree))
        known = {} if anew else index.read()
        entries = {path: one for path, now in found.files.items() if (one := known_entry(known, path, now)) is not None}
        missing = [path for path in found.files if path not in entries]
        entries |= self._read_files(tree, missing, rules, mend=anew)
        version = version_of(entries, found.links)
        self.keep(version)
        if missing or len(known) != len(entries):
            sure = {p: s for p, s in found.files.items() if max(s.st_mtime_ns, s.st_ctime_ns) < began_ns - _UNSURE_NS}
            index.write({path: (signature(sure[path]), entries[path]) for path in sure if path in entries})
        return version

    def take_like(self, tree: Path, known: Version) -> Version:
        """Return what became of the files of ``known`` in ``tree``; the same id when nothing did.

        Files that ``known`` does not have do not count. Raises FileWriteError.
        """
        beside = Path(f"{tree}.index")
        is_checkout = beside.is_file()
        seen = TreeIndex(beside if is_checkout else self._index_of(tree)).read()
        seen = {} if is_checkout and os.name == "nt" else seen  # times can be set at will there
        entries: dict[str, FileEntry] = {}
        for path in known.files:
            with suppress(OSError):  # gone, no file any more, or grown beyond all measure
                status = os.stat(f"{tree}/{path}")  # noqa: PTH116 - thousands: texts, not paths
                entry = known_entry(seen, path, status)
                if entry is None:
                    entry = self.put(read_outside(tree / path, _LARGEST_KNOWN), executable=is_executable(status))
                entries[path] = entry
        version = version_of(entries, {path: to for path, to in known.links.items() if (tree / path).is_dir()})
        self.keep(version)
        return version

    def scan(self, tree: Path, rules: CodeRules) -> Scan:
        """Walk a tree without taking anything; see ``scanning``."""
        return scan(tree, rules)

    def keep(self, version: Version) -> None:
        """Write a version down, once; its objects are there already. Raises FileWriteError."""
        path = self._root / f"{version.id}.json"
        if path.exists():
            return
        listed = {name: [one.sha256, one.size, one.executable] for name, one in sorted(version.files.items())}
        value = {"schema_version": SCHEMA_VERSION, "id": version.id, "files": listed, "links": dict(version.links)}
        files.replace_text(path, files.json_text(value) + "\n")

    def holds(self, version_id: str) -> bool:
        """Tell whether there is a version of that id."""
        return _is_id(version_id) and (self._root / f"{version_id}.json").is_file()

    def read(self, version_id: str) -> Version:
        """Return a version. Raises CodeRefused when there is none, or what is there is damaged."""
        if not self.holds(version_id):
            raise CodeRefused(f"code version {version_id!r} is not in {self._root}")
        path = self._root / f"{version_id}.json"
        try:
            value = files.read_json(path)
            entries = {name: FileEntry(*row) for name, row in value["files"].items()}
            version = version_of(entries, value["links"])
        except (CorruptFileError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise CodeRefused(f"code version {version_id} is damaged: {path} does not read") from error
        if version.id != version_id:
            raise CodeRefused(f"code version {version_id} is damaged: {path} describes another")
        return version

    def content(self, entry: FileEntry) -> bytes:
        """Return a file's content, checked against its hash. Raises CodeRefused when it is missing or damaged."""
        found = None
        for found in self._contents(entry):
            if hashlib.sha256(found).hexdigest() == entry.sha256:
                return found
        what = "missing" if found is None else "damaged"
        raise CodeRefused(f"the content of a code version is {what} in {self._root}: {entry.sha256}")

    def _contents(self, entry: FileEntry) -> Iterator[bytes]:
        """Yield what is kept under an entry's hash, wherever it is kept."""
        with suppress(OSError):
            yield read_outside(self._object(entry.sha256), entry.size)
        yield from self._packs.contents(entry.sha256)

    def entry(self, data: bytes, *, executable: bool = False) -> FileEntry:
        """Return what the entry of a content would be; nothing is kept."""
        return FileEntry(hashlib.sha256(data).hexdigest(), len(data), executable)

    def put(self, data: bytes, *, executable: bool = False) -> FileEntry:
        """Keep a content and return its entry. Raises FileWriteError."""
        entry = self.entry(data, executable=executable)
        if not self._has(entry):
            files.replace_bytes(self._object(entry.sha256), data)
        return entry

    def _has(self, entry: FileEntry) -> bool:
        return self._object(entry.sha256).exists() or self._packs.holds(entry.sha256)

    def _is_damaged(self, entry: FileEntry) -> bool:
        try:
            self.content(entry)
        except CodeRefused:
            return True
        return False

    def _read_files(self, tree: Path, paths: list[str], rules: CodeRules, *, mend: bool) -> dict[str, FileEntry]:
        """Keep files, but for one that vanished or grew meanwhile; many at once become a pack."""
        found: dict[str, FileEntry] = {}
        few: dict[str, bytes] = {}
        with ExitStack() as stack:
            pack: PackWriter | None = None
            for path, data, executable in _read(tree, paths, rules.largest_file_bytes):
                entry = found[path] = self.entry(data, executable=executable)
                if self._has(entry) and not (mend and self._is_damaged(entry)):
                    continue
                few[entry.sha256] = data
                if pack is None and len(few) > _SINGLE_UP_TO:
                    pack = stack.enter_context(self._packs.writing())
                if pack is not None:
                    while few:
                        pack.add(*few.popitem())
        for digest, data in few.items():
            files.replace_bytes(self._object(digest), data)
        return found

    def _object(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:]

    def _index_of(self, tree: Path) -> Path:
        name = hashlib.sha256(os.fsencode(os.path.realpath(tree))).hexdigest()[:16]
        return self._root / "indexes" / f"{name}.json"


class TreeIndex:
    """Remember what the files of a tree were: a cache, and worth no more than that."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, tuple[Signature, FileEntry]]:
        """Return what is known; nothing when the file is missing or does not read."""
        try:
            rows = files.read_json(self._path)["files"]
            return {name: ((a, b, c, d, e), FileEntry(*rest)) for name, (a, b, c, d, e, *rest) in rows.items()}
        except (FileNotFoundError, CorruptFileError, KeyError, TypeError, ValueError, AttributeError):
            return {}

    def write(self, known: Known) -> None:
        """Replace what is known. Raises FileWriteError."""
        rows = {name: [*of, one.sha256, one.size, one.executable] for name, (of, one) in known.items()}
        value: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "files": rows}
        files.replace_text(self._path, files.json_text(value), durable=False)


def known_entry(known: Known, path: str, status: os.stat_result) -> FileEntry | None:
    """Return what is known of a file that has not been written since, or None."""
    found = known.get(path)
    return found[1] if found is not None and found[0] == signature(status) else None


def _read(tree: Path, paths: list[str], largest: int) -> Iterator[tuple[str, bytes, bool]]:
    """Yield each file that can be read: path, content, whether it is executable."""
    for path in paths:
        place = f"{tree}/{path}"
        try:
            yield path, read_outside(Path(place), largest), is_executable(os.stat(place))  # noqa: PTH116
        except OSError:
            continue


def _is_id(version_id: str) -> bool:
    return len(version_id) == 16 and all(char in "0123456789abcdef" for char in version_id)


def _made_as(tree: Path) -> str | None:
    """Return the version of a checkout, by the record beside it; None for any other folder."""
    try:
        record = files.read_json(Path(f"{tree}.json"))
    except (OSError, CorruptFileError):
        return None
    if not isinstance(record, dict) or record.get("folder") != tree.name:
        return None
    version = record.get("version")
    return version if isinstance(version, str) else None
