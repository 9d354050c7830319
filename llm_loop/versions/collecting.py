"""What a checkout differs by from its base, whoever made the difference."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.contract.code_change import ChangedFile, ChangeKind, CodeChange
from llm_loop.versions.checkout import (
    MOST_ENTRIES_BESIDE,
    CheckoutRequest,
    OpenCheckout,
    known_files,
    read_record,
    remember_files,
    write_record,
)
from llm_loop.versions.diffing import line_counts, unified
from llm_loop.versions.door import LARGEST_BYTES, MOST_FILES, Door, checked_text, read_file, too_large
from llm_loop.versions.names import folded, matches_any
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.removal import remove_entry
from llm_loop.versions.store import FileEntry, Version, is_executable, known_entry, signature, version_of
from llm_loop.versions.tree import Tree, look

_DIFF_CHARACTERS = 60_000
_CONFIG_BYTES = 600_000  # they are journaled whole
_MOST_REFUSALS = 20


@dataclass(slots=True)
class _Difference:
    """Collect what differs: contents of new and changed files (None: removed), and what cannot be taken."""

    contents: dict[str, bytes | None] = field(default_factory=dict)
    executable: dict[str, bool] = field(default_factory=dict)
    same: dict[str, FileEntry] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)


def collect(opened: OpenCheckout, refusals: Sequence[str] = ()) -> CodeChange:
    """Return the change of a checkout. Nobody works in it any more; caches and ignored by-catch in it are removed.

    Each file is held to the same rules, whether an agent wrote it or ``apply_edits`` did. A change without refusals
    is kept as a version. ``refusals`` are those known before. Raises CodeRefused when the base cannot be read,
    FileWriteError.
    """
    request = opened.request
    base = request.store.read(opened.base.version)
    door = Door(request, base)
    tree = look(opened.folder, len(base.files) * 2 + MOST_ENTRIES_BESIDE, door.is_swept)
    found = _Difference(refusals=list(refusals))
    if tree.overflow:
        found.refusals.append(f"more than {MOST_ENTRIES_BESIDE:,} entries were left behind beside the checkout's own")
    else:
        _sweep(opened.folder, tree, door, base)
        _compare(request, base, tree, door, found)
    return _change(opened, base, found, tree)


def _sweep(folder: Path, tree: Tree, door: Door, base: Version) -> None:
    """Remove what nobody would see, so that it cannot run either: caches, ignored folders and by-catch."""
    for path in tree.swept:
        remove_entry(folder / path)
    for path in [path for path in tree.files if path not in base.files and door.is_left_behind(path)]:
        remove_entry(folder / path)
        del tree.files[path]


def _compare(request: CheckoutRequest, base: Version, tree: Tree, door: Door, found: _Difference) -> None:
    found.refusals += [f"{path[:200]!r} is {what}" for path, what in sorted(tree.odd.items())]
    for path in sorted(tree.links):
        if path not in base.links or not _leads_to(request.folder, path, base.links[path]):
            found.refusals.append(f"{path[:200]!r} is a link: links cannot be part of a change")
    known = known_files(request.checkouts, request.checkout_id)
    names = {folded(path): path for path in base.files if path in tree.files}
    for path, status in sorted(tree.files.items()):
        entry = base.files.get(path)
        if status.st_nlink > 1:
            found.refusals.append(f"{path[:200]!r} is one file with another outside of the checkout (a hard link)")
        elif entry is not None and known_entry(known, path, status) == entry:
            found.same[path] = entry
        elif (other := names.setdefault(folded(path), path)) != path:
            found.refusals.append(f"{path[:200]!r} differs from {other} in case or accents alone")
        elif len(found.contents) > MOST_FILES:
            break
        else:
            _one_file(request, path, status, entry, door, found)
    for path in sorted(base.files.keys() - tree.files.keys()):
        found.contents[path] = None
    if len(found.contents) > MOST_FILES:
        found.refusals.append(f"more than {MOST_FILES} files are changed, new or gone: make a smaller change")


def _one_file(
    request: CheckoutRequest, path: str, status: os.stat_result, entry: FileEntry | None, door: Door, found: _Difference
) -> None:
    """Note one file that may differ."""
    try:
        if status.st_size > max(LARGEST_BYTES, entry.size if entry else 0):
            raise CodeRefused(too_large(status.st_size))
        data = read_file(request.folder / path, status.st_size)
        if data is None:
            return
        now = request.store.entry(data, executable=is_executable(status))
        if now == entry:
            found.same[path] = entry
            return
        if trouble := door.trouble(path) if entry is None else "":
            raise CodeRefused(trouble)
        if entry is None or now.sha256 != entry.sha256:
            checked_text(data)
        found.contents[path], found.executable[path] = data, now.executable
    except CodeRefused as refused:
        found.refusals.append(f"{path[:200]!r}: {refused}")


def _change(opened: OpenCheckout, base: Version, found: _Difference, tree: Tree) -> CodeChange:
    request = opened.request
    added = {path for path, data in found.contents.items() if data is not None and path not in base.files}
    configs = {path for path in added if matches_any(path, request.config_globs)}
    listed: list[ChangedFile] = []
    diff: list[str] = []
    for path, data in sorted(found.contents.items())[:MOST_FILES]:
        if path not in configs:
            listed.append(_listed(request, path, data, base.files.get(path)))
            diff.append(_diff(request, path, data, base.files.get(path), found.executable.get(path, False)))
    whole = "".join(diff)
    texts = {path: (found.contents[path] or b"").decode("utf-8-sig") for path in sorted(configs)[:MOST_FILES]}
    if sum(len(found.contents[path] or b"") for path in configs) > _CONFIG_BYTES:
        found.refusals.append(f"the new configurations hold more than {_CONFIG_BYTES // 1000} kB: leave fewer of them")
        texts = {}
    return CodeChange(
        base=opened.base,
        version=base.id if found.refusals else _kept(request, base, found, tree),
        checkout=request.checkout_id,
        files=tuple(listed),
        diff=whole[:_DIFF_CHARACTERS],
        diff_is_cut=len(whole) > _DIFF_CHARACTERS,
        config_files=texts or None,
        refusals=tuple(found.refusals[:_MOST_REFUSALS]),
    )


def _kept(request: CheckoutRequest, base: Version, found: _Difference, tree: Tree) -> str:
    """Keep the checkout as a version and return its id."""
    store = request.store
    entries = dict(base.files)
    for path, data in found.contents.items():
        if data is None:
            del entries[path]
        else:
            entries[path] = store.put(data, executable=found.executable[path])
    version = version_of(entries, base.links)
    store.keep(version)
    known = {path: (signature(tree.files[path]), entries[path]) for path in found.same}
    remember_files(request.checkouts, request.checkout_id, known)
    if (record := read_record(request.checkouts, request.checkout_id)) is not None:
        write_record(request.checkouts, request.checkout_id, record | {"version": version.id})
    return version.id


def _listed(request: CheckoutRequest, path: str, data: bytes | None, entry: FileEntry | None) -> ChangedFile:
    kind = ChangeKind.REMOVED if data is None else ChangeKind.ADDED if entry is None else ChangeKind.CHANGED
    before = None if entry is None else request.store.content(entry)
    if any(one is not None and not _is_text(one) for one in (before, data)):
        return ChangedFile(path=path, kind=kind)
    came, went = line_counts(before, data)
    return ChangedFile(path=path, kind=kind, lines_added=came, lines_removed=went)


def _diff(request: CheckoutRequest, path: str, data: bytes | None, entry: FileEntry | None, executable: bool) -> str:
    before = None if entry is None else request.store.content(entry)
    if any(one is not None and not _is_text(one) for one in (before, data)):
        return f"diff --git a/{path} b/{path}\nBinary files differ\n"
    modes = {"old_mode": 0o755 if entry and entry.executable else 0o644, "new_mode": 0o755 if executable else 0o644}
    return unified(path, before, data, **modes)


def _is_text(data: bytes) -> bool:
    try:
        checked_text(data, len(data))
    except CodeRefused:
        return False
    return True


def _leads_to(folder: Path, path: str, target: str) -> bool:
    return (folder / path).resolve() == (folder / target).resolve()
