"""Packs: the contents of many files in one, as the first take of a repository brings them.

Making thousands of files costs seconds on a slow disk, one file does not, and one flush makes all of it durable.
``packs/<name>.pack`` are contents one behind the other, ``<name>.json`` says where each begins. A pack is written once
and never changed; without its index, which comes last, it is nothing.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.system import files
from llm_loop.system.folders import make_folder

SCHEMA_VERSION = 1


class PackWriter:
    """Take contents up, each once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.places: dict[str, tuple[int, int]] = {}
        self._end = 0

    def add(self, digest: str, data: bytes) -> None:
        """Add a content by its SHA-256 in hex. Raises OSError."""
        if digest not in self.places:
            self._stream.write(data)
            self.places[digest] = (self._end, len(data))
            self._end += len(data)


class Packs:
    """Know the packs of one store."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, dict[str, tuple[int, int]]] = {}

    @contextmanager
    def writing(self) -> Iterator[PackWriter]:
        """Give a writer of a new pack, which is there, whole and durable, when the block has ended.

        Raises FileWriteError.
        """
        name = uuid.uuid4().hex[:16]
        path = self._root / f"{name}.pack"
        try:
            make_folder(self._root)
            with path.open("wb") as stream:
                writer = PackWriter(stream)
                yield writer
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            raise FileWriteError(path, "write", error) from error
        if writer.places:
            value = {"schema_version": SCHEMA_VERSION, "contents": writer.places}
            files.replace_text(self._root / f"{name}.json", files.json_text(value))
            self._known.clear()
        else:
            files.remove(path)

    def holds(self, digest: str) -> bool:
        """Tell whether a content is in a pack."""
        return any(digest in places for places in self._indexes().values())

    def contents(self, digest: str) -> Iterator[bytes]:
        """Yield what packs hold under a digest, unchecked; a pack that cannot be read holds nothing."""
        for name, places in self._indexes().items():
            if (place := places.get(digest)) is not None:
                with suppress(OSError), (self._root / f"{name}.pack").open("rb") as stream:
                    stream.seek(place[0])
                    yield stream.read(place[1])

    def _indexes(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Return the places in each pack. They are read once: a store object lives as long as one job."""
        if not self._known:
            self._known = {path.stem: _places(path) for path in sorted(self._root.glob("*.json"))}
        return self._known


def _places(path: Path) -> dict[str, tuple[int, int]]:
    try:
        return {digest: (begin, size) for digest, (begin, size) in files.read_json(path)["contents"].items()}
    except (FileNotFoundError, CorruptFileError, KeyError, TypeError, ValueError, AttributeError):
        return {}
