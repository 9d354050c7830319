"""A markdown file that grows by whole blocks, cheap at any length.

As long as size, time and inode stand as the loop left them, a block costs one stat, one small record
and one append; the digest of the whole is carried on. Only a file that somebody else touched is read
again. Appending replaces nothing: a person's text above stays where it is.
"""

from __future__ import annotations

import errno
import hashlib
import re
from pathlib import Path
from typing import Protocol

from llm_loop.errors import FileWriteError
from llm_loop.memory.markdown_file import HumanEdit, MarkdownFile, Seen, Signature, Written, encoded
from llm_loop.memory.markdown_text import ended, newline_of
from llm_loop.memory.text_set import TextSet
from llm_loop.system import files
from llm_loop.system.clock import Clock


class _Hash(Protocol):
    def copy(self) -> _Hash: ...
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class GrowingFile:
    """Hold one markdown file whose blocks are known by a key.

    ``key`` finds the keys in the text (its group 1). A block whose key was ever seen in the file is
    not written again, not even when a person has removed it while this object lived.
    """

    def __init__(self, path: Path, kept_folder: Path, *, start: str, key: re.Pattern[str], clock: Clock) -> None:
        self._file = MarkdownFile(path, kept_folder, start=start, clock=clock)
        self._start = start
        self._key = key
        self._known = TextSet()
        self._hash: _Hash | None = None
        self._stat: Signature | None = None
        self._size = 0
        self._newline = "\n"
        self._last_line_ended = True

    def hand_edit(self) -> HumanEdit | None:
        """Return a person's edit that was not returned before. Raises FileWriteError."""
        return self._file.hand_edit()

    def accept(self) -> None:
        """Take the edit that was last returned as known, once it is journaled. Raises FileWriteError."""
        self._file.accept()

    def ensure(self) -> Written:
        """Write the heading when there is no file yet. Raises FileWriteError."""
        return self._file.ensure()

    def append(self, key: str, block: str) -> Written:
        """Append ``block`` (whole lines, LF) with a blank line above it, unless ``key`` is there.

        Raises FileWriteError.
        """
        edit = None
        if self._hash is None or self._file.stat() != self._stat:
            edit = self._file.hand_edit()
            self._take(self._file.see())
        if key in self._known:
            return Written(changed=False, human_edit=edit)
        if self._size == 0 or self._hash is None:
            written = self._file.rewrite(lambda text: f"{ended(text)}\n{block}")
            self._hash = None
            self._known.add(key)
            return Written(changed=True, human_edit=edit or written.human_edit)
        self._grow(self._hash, block)
        self._known.add(key)
        return Written(changed=True, human_edit=edit)

    def _take(self, seen: Seen) -> None:
        """Go on from the file as it was seen."""
        data = seen.data if seen.data and seen.text.strip() else b""
        self._hash = hashlib.sha256(data)
        self._size = len(data)
        self._stat = seen.signature
        self._newline = newline_of(seen.text)
        self._last_line_ended = data.endswith(b"\n")
        for key in self._key.findall(seen.text):
            self._known.add(key)

    def _grow(self, before: _Hash, block: str) -> None:
        lead = self._newline if self._last_line_ended else self._newline * 2
        data = encoded(lead + block.replace("\n", self._newline))
        grown, size = before.copy(), self._size + len(data)
        grown.update(data)
        self._file.announce(grown.hexdigest())
        self._hash = None  # until the append is known to be whole
        files.append_line(self._file.path, data[:-1].decode("utf-8"), durable=False)
        signature = self._file.wrote(grown.hexdigest(), size)
        if signature is not None:
            self._hash, self._size, self._stat, self._last_line_ended = grown, size, signature, True
        elif (now := self._file.stat()) is not None and now[0] < size:
            raise FileWriteError(self._file.path, "append to", OSError(errno.ENOSPC, "the line was cut short"))
