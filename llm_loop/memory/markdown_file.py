"""A markdown file that the loop and a person both write: the one place where their texts meet.

The loop never writes from memory. It takes the text as it stands on disk, puts its own line in, and
replaces the file; so what a person wrote is carried over letter for letter, line ends included.
Whether a person wrote is seen by comparing the content with what the loop last wrote. That is
remembered as a SHA-256 in ``<kept folder>/<name>.last.jsonl``: before a write a line there lists the
content before and after, so that a crash between the two does not make the loop's own text look foreign.

How a caller uses it: ``hand_edit()`` (one stat when nothing changed), journal what it returns,
``accept()``, then write. A write reports an edit too, one that came in between.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from stat import S_ISREG

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import kept_versions
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp

ABSENT = "absent"
_RECORD_BYTES = 65536
_RACE_TRIES = 5


class EditKind(StrEnum):
    """What a person did to a file."""

    CHANGED = "changed"
    DELETED = "deleted"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanEdit:
    """Hold a person's version of a file, whole, for the journal.

    ``text`` is "" for a file that was deleted, emptied or is not UTF-8; ``error`` names, for the
    last, where the file was set aside.
    """

    path: Path
    kind: EditKind
    text: str
    error: CorruptFileError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Say what a write did: whether the file changed, and the person's edit that it met."""

    changed: bool
    human_edit: HumanEdit | None = None


Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Hold a file as it was read. ``data`` is None when there is none."""

    data: bytes | None
    text: str
    digest: str
    signature: Signature | None


class MarkdownFile:
    """Hold one markdown file, for its one writer: reading here may set a broken file aside.

    ``start`` is the text that an absent or emptied file begins with. Files touched: ``path``, and in
    ``kept_folder`` the record of what was last written and a person's replaced versions.
    """

    def __init__(self, path: Path, kept_folder: Path, *, start: str, clock: Clock) -> None:
        self.path = path
        self._start = start
        self._kept_folder = kept_folder
        self._record = kept_folder / f"{path.name}.last.jsonl"
        self._clock = clock
        self._record_bytes = 0
        self._ours = self._load_record()
        self._signature: Signature | None = None
        self._looked = False
        self._read: Seen | None = None
        self._owed: HumanEdit | None = None
        self._owed_digest = ""
        self._reported = ""

    def hand_edit(self) -> HumanEdit | None:
        """Return a person's edit that was not returned before; None when there is none.

        Costs one stat while size, time and inode stand as they were. Raises FileWriteError when the
        file cannot be read or set aside.
        """
        if self._looked and self.stat() == self._signature:
            return None
        self._note(self.see())
        return self._deliver()

    def accept(self) -> None:
        """Take the edit that was last returned as known, once it is in the journal.

        Without this the same edit is returned again after a restart. Raises FileWriteError.
        """
        seen = self.see()
        if seen.digest == self._reported and seen.digest not in self._ours:
            self._keep(seen)
            self._write_record({seen.digest})
            self._ours = {seen.digest}

    def read(self) -> str:
        """Return the text as it stands; "" when there is no file. Raises FileWriteError.

        Costs one stat while size, time and inode stand as they were at the last call.
        """
        if self._read is None or self.stat() != self._read.signature:
            self._read = self.see()
        return self._read.text

    def ensure(self) -> Written:
        """Write the headings when there is no file yet. Raises FileWriteError."""
        if self.stat() is not None:
            return Written(changed=False, human_edit=self.hand_edit())
        return self._rewrite(lambda text: text, even_if_same=True)

    def rewrite(self, change: Callable[[str], str]) -> Written:
        """Replace the file by ``change(its text)``; nothing is written when that is the same.

        ``change`` may be called more than once: again, with the newer text, when a person saved
        meanwhile. Raises FileWriteError; the file then stands as it was.
        """
        return self._rewrite(change, even_if_same=False)

    def _rewrite(self, change: Callable[[str], str], *, even_if_same: bool) -> Written:
        for _ in range(_RACE_TRIES):
            seen = self.see()
            self._note(seen)
            base = seen.text if seen.text.strip() else self._start
            text = change(base)
            if text == base and not even_if_same:
                return Written(changed=False, human_edit=self._deliver())
            if self.replace(seen, text):
                return Written(changed=True, human_edit=self._deliver())
        raise FileWriteError(self.path, "write", OSError("it changes each time it is read; close what writes it"))

    def stat(self) -> Signature | None:
        """Return size, time and inode; None when there is no file."""
        try:
            entry = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileWriteError(self.path, "look at", error) from error
        if not S_ISREG(entry.st_mode):  # a pipe would be waited at for ever
            raise FileWriteError(self.path, "read", OSError(errno.EINVAL, "it is no regular file; move it away"))
        return entry.st_size, entry.st_mtime_ns, entry.st_ino

    def see(self) -> Seen:
        """Read the file and judge whose content it is; what is not UTF-8 is set aside.

        Raises FileWriteError.
        """
        signature = self.stat()
        try:
            data = files.read_bytes(self.path)
        except FileNotFoundError:
            data = None
        except OSError as error:
            raise FileWriteError(self.path, "read", error) from error
        if data is None:
            return self._judged(Seen(data=None, text="", digest=ABSENT, signature=None))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return self._set_aside(error)
        return self._judged(Seen(data=data, text=text, digest=digest_of(data), signature=signature))

    def replace(self, seen: Seen, text: str) -> bool:
        """Replace the file that was ``seen``; False when it has changed since. Raises FileWriteError.

        Only when a person's version is replaced are the kept copy and the merged text forced to disk:
        the loop's own lines can be had again from the journal.
        """
        data = encoded(text)
        a_persons = seen.digest not in self._ours
        if a_persons:
            self._keep(seen)
        self.announce(digest_of(data))
        if not files.replace_text_if(self.path, text, lambda: self.stat() == seen.signature, durable=a_persons):
            return False
        self.wrote(digest_of(data), len(data))
        return True

    def announce(self, digest: str) -> None:
        """Record, before a write, that the content with ``digest`` will be the loop's. Raises FileWriteError."""
        self._write_record(self._ours | {digest})

    def wrote(self, digest: str, size: int) -> Signature | None:
        """Take the content with ``digest`` as the loop's own; return what the file looks like now.

        A ``size`` (bytes) that disagrees means that somebody else wrote too: the file is then read
        again at the next look, and None is returned.
        """
        self._ours = {digest}
        self._read = None
        self._signature = self.stat()
        self._looked = self._signature is not None and self._signature[0] == size
        return self._signature if self._looked else None

    def _write_record(self, digests: set[str]) -> None:
        """Append to the record, which costs a tenth of replacing it; begin it anew when it has grown.

        Not forced to disk: after a power cut an older record makes the loop's text look like a
        person's, which is then told and merged, never lost.
        """
        line = files.json_text(sorted(digests))
        if self._record_bytes > _RECORD_BYTES:
            files.replace_text(self._record, f"{line}\n", durable=False)
            self._record_bytes = 0
        else:
            files.append_line(self._record, line, durable=False)
        self._record_bytes += len(line) + 1

    def _note(self, seen: Seen) -> None:
        self._signature, self._looked = seen.signature, True

    def _deliver(self) -> HumanEdit | None:
        edit, self._owed = self._owed, None
        if edit is not None:
            self._reported = self._owed_digest
        return edit

    def _judged(self, seen: Seen) -> Seen:
        if seen.digest not in self._ours and seen.digest != self._reported:
            kind = EditKind.DELETED if seen.data is None else EditKind.CHANGED
            self._owed = HumanEdit(path=self.path, kind=kind, text=seen.text)
            self._owed_digest = seen.digest
        return seen

    def _set_aside(self, error: UnicodeDecodeError) -> Seen:
        stamp = base = utc_stamp(self._clock.utc_now())
        number = 2
        while self.path.with_name(f"{self.path.name}.corrupt-{stamp}").exists():
            stamp, number = f"{base}-{number}", number + 1
        aside = files.set_aside(self.path, stamp)
        reason = f"{self.path.name} is not UTF-8 text (byte {error.start}); it was set aside here, a new one is begun"
        self._owed = HumanEdit(path=self.path, kind=EditKind.UNREADABLE, text="", error=CorruptFileError(aside, reason))
        self._owed_digest = ABSENT
        self._ours = {ABSENT}
        self._write_record(self._ours)
        return Seen(data=None, text="", digest=ABSENT, signature=None)

    def _keep(self, seen: Seen) -> None:
        if seen.data is not None:
            kept_versions.keep(self._kept_folder, self.path, seen.data, seen.digest, self._clock.utc_now())

    def _load_record(self) -> set[str]:
        """Read what the loop last wrote. A record that cannot be read makes the file look like a person's."""
        try:
            text = files.read_tail(self._record, _RECORD_BYTES)
        except OSError:
            text = ""
        whole, _, torn = text.rpartition("\n")
        self._record_bytes = _RECORD_BYTES + 1 if torn else len(text)
        try:
            digests = json.loads(whole.rpartition("\n")[2])
            return {str(digest) for digest in digests} or {ABSENT}
        except (ValueError, TypeError):
            return {ABSENT}


def encoded(text: str) -> bytes:
    """Return the bytes that a text is written as."""
    return text.encode("utf-8", "backslashreplace")


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a content, in hex."""
    return hashlib.sha256(data).hexdigest()
