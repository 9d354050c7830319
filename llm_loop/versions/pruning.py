"""Old checkouts go; what a run left in them goes into its own folder first. Versions and outputs stay for ever."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import FileWriteError
from llm_loop.system.folders import make_folder
from llm_loop.versions.checkout import MOST_ENTRIES_BESIDE, forget, known_files, read_record, recorded, release
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.removal import remove_tree
from llm_loop.versions.rules import CACHES, NEVER_CODE
from llm_loop.versions.store import FileEntry, Known, VersionStore, known_entry
from llm_loop.versions.tree import look

KEPT_FOLDER = "left_in_checkout"
_MAYBE_IN_USE = 2  # the newest: a call may work in one that nobody has named yet


def prune(checkouts: Path, versions: Path, keep: Iterable[str], keep_last: int) -> list[str]:
    """Remove checkouts but for those named and the last ones touched; return the ids of those that are gone.

    Those spared are free to be taken again. Only what the loop recorded as its own is removed; one that cannot be
    removed now is left for the next time.
    """
    kept = set(keep)
    old = [name for name in recorded(checkouts) if name not in kept]
    gone = []
    for name in old[: len(old) - keep_last if keep_last else len(old)]:
        with suppress(FileWriteError, CodeRefused):
            discard(checkouts, versions, name)
            gone.append(name)
    for name in old[len(old) - keep_last : -_MAYBE_IN_USE] if keep_last else ():
        release(checkouts, name)
    return gone


def discard(checkouts: Path, versions: Path, checkout_id: str) -> None:
    """Remove one checkout; what its run left there goes to the run first. Raises CodeRefused, FileWriteError."""
    record = read_record(checkouts, checkout_id)
    if record is None:
        raise CodeRefused(f"the loop has not made a checkout {checkout_id!r}: it is left alone")
    folder = checkouts / checkout_id
    if record.get("run_folder") and folder.is_dir():
        code = VersionStore(versions).read(str(record.get("version"))).files
        _rescue(folder, Path(record["run_folder"]), code, known_files(checkouts, checkout_id))
    remove_tree(folder, checkouts)
    forget(checkouts, checkout_id)


def _rescue(folder: Path, run_folder: Path, code: Mapping[str, FileEntry], known: Known) -> None:
    """Move what a run made or changed in its checkout, beside its output folders, into the run's folder.

    Raises FileWriteError, and CodeRefused where there is too much to look through: that checkout stays.
    """
    tree = look(folder, len(code) + 100 * MOST_ENTRIES_BESIDE, _is_cache)
    if tree.overflow:
        raise CodeRefused(f"{folder} holds more than {100 * MOST_ENTRIES_BESIDE:,} entries of its run: move them away")
    for path, status in sorted(tree.files.items()):
        if (entry := code.get(path)) is not None and (
            known_entry(known, path, status) == entry or _holds(folder / path, entry)
        ):
            continue
        target = run_folder / KEPT_FOLDER / path
        try:
            make_folder(target.parent)
            os.replace(folder / path, target)  # noqa: PTH105
        except OSError as error:
            raise FileWriteError(target, "bring into safety", error) from error


def _is_cache(path: str) -> bool:
    return path.rpartition("/")[2] in CACHES | NEVER_CODE


def _holds(place: Path, entry: FileEntry) -> bool:
    try:
        return hashlib.sha256(read_outside(place, entry.size)).hexdigest() == entry.sha256
    except OSError:
        return False
