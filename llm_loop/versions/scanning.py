"""Walk a repository: its code files, the links inside it, and what a checkout would need as input.

Nothing is written, nothing but ignore files is read, and no link is followed out of the tree.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from llm_loop.system.links import is_link
from llm_loop.versions.ignoring import Chain, Ignores, is_ignored
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CACHES, DATA_FOLDER, NEVER_CODE, CodeRules, is_environment

_DEEPEST = 60
_NATIVE = frozenset({".so", ".pyd", ".dll", ".dylib"})


class InputKind(StrEnum):
    """Why something of the repository is no code, and yet a run may need it."""

    DATA = "data"
    LINK_FOLDER = "link_folder"
    IGNORED = "ignored"
    BIG = "big"
    NATIVE = "native"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Hold what a checkout may get as a link: its path in the tree, and whether it is a folder."""

    path: str
    kind: InputKind
    is_folder: bool


@dataclass(slots=True)
class Scan:
    """Hold what a walk found. ``files`` maps paths with ``/`` to their status; ``links`` to targets in the tree."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str  # "" or ending in "/"
    chain: Chain
    tracked_only: bool
    depth: int


def scan(tree: Path, rules: CodeRules) -> Scan:
    """Walk ``tree``. Raises CodeRefused when it is no folder or holds more code than the rules allow."""
    return _Walk(tree, rules).run()


class _Walk:
    def __init__(self, tree: Path, rules: CodeRules) -> None:
        if not tree.is_dir():
            raise CodeRefused(f"the training repository {tree} is not a folder that can be read")
        self._tree, self._rules = tree, rules
        self._root = str(tree)
        self._real = os.path.realpath(tree)
        self._ignores = Ignores(tree)
        self._links, self._outputs = rules.link_paths(), rules.output_paths()
        self._keep_out = frozenset(_inside([one for one in rules.keep_out if not is_environment(one)], tree))
        self._found = Scan()

    def run(self) -> Scan:
        waiting = [_Folder("", self._ignores.chain(), tracked_only=False, depth=0)]
        while waiting:
            waiting.extend(self._folder(waiting.pop()))
        return self._found

    def _folder(self, folder: _Folder) -> Iterator[_Folder]:
        try:
            with os.scandir(f"{self._root}/{folder.path}") as entries:
                listed = list(entries)
        except OSError as error:
            if not folder.path:
                raise CodeRefused(f"the training repository cannot be read: {error}") from error
            return  # a folder that the loop's user may not read is no code of theirs
        for entry in listed:
            path = folder.path + entry.name
            if entry.name.lower() in NEVER_CODE or not _is_text(entry.name) or path in self._keep_out:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if is_link(status):
                self._link(folder, path)
            elif stat.S_ISDIR(status.st_mode):
                if (deeper := self._subfolder(folder, path, entry.name)) is not None:
                    yield deeper
            elif stat.S_ISREG(status.st_mode):
                self._file(folder, path, status)

    def _subfolder(self, around: _Folder, path: str, name: str) -> _Folder | None:
        """Return a folder to walk, or None for one that holds no code."""
        if name in CACHES:
            return None
        if path in self._links or self._is_data(path):
            kind = InputKind.DATA if path not in self._links else InputKind.LINK_FOLDER
            self._found.inputs.append(Input(path=path, kind=kind, is_folder=True))
            return None
        if path in self._outputs and not os.path.isfile(f"{self._root}/{path}/__init__.py"):  # noqa: PTH113
            return None
        tracked_only = around.tracked_only or is_ignored(around.chain, path, folder=True)
        if tracked_only and not self._ignores.is_tracked(path):
            if not around.tracked_only:
                self._found.inputs.append(Input(path=path, kind=InputKind.IGNORED, is_folder=True))
            return None
        if is_environment(Path(self._root, path)):
            self._found.inputs.append(Input(path=path, kind=InputKind.IGNORED, is_folder=True))
            return None
        if around.depth >= _DEEPEST:
            raise CodeRefused(f"{path[:200]} is nested more than {_DEEPEST} folders deep: ignore or link it")
        chain = around.chain if tracked_only else self._ignores.deeper(around.chain, path)
        return _Folder(f"{path}/", chain, tracked_only, around.depth + 1)

    def _is_data(self, path: str) -> bool:
        """Tell whether this is the data folder: named so, and not a package of that name."""
        if path != DATA_FOLDER:
            return False
        try:
            return not any(name.endswith(".py") for name in os.listdir(f"{self._root}/{path}"))  # noqa: PTH208
        except OSError:
            return True

    def _file(self, folder: _Folder, path: str, status: os.stat_result) -> None:
        ignored = folder.tracked_only or is_ignored(folder.chain, path, folder=False)
        if ignored and not self._ignores.is_tracked(path):
            native = os.path.splitext(path)[1].lower() in _NATIVE  # noqa: PTH122
            kind = InputKind.NATIVE if native else InputKind.IGNORED
            self._found.inputs.append(Input(path=path, kind=kind, is_folder=False))
        elif status.st_size > self._rules.largest_file_bytes:
            self._found.inputs.append(Input(path=path, kind=InputKind.BIG, is_folder=False))
        else:
            self._take(path, status)

    def _take(self, path: str, status: os.stat_result) -> None:
        found, rules = self._found, self._rules
        found.files[path] = status
        found.bytes += status.st_size
        if len(found.files) > rules.most_files or found.bytes > rules.most_bytes:
            raise CodeRefused(
                f"the training repository has more than {rules.most_files:,} files or {rules.most_bytes:,} bytes "
                "that count as code: name its data folders in link_folders or in a .gitignore"
            )

    def _link(self, folder: _Folder, path: str) -> None:
        """Note a link: inside the tree a file counts as its text, a folder as a link; else it is an input."""
        target = os.path.realpath(f"{self._root}/{path}")
        if path in self._outputs or not os.path.exists(target):  # noqa: PTH110
            return
        if self._real == target or self._real.startswith(target.rstrip(os.sep) + os.sep):
            return  # the tree itself, or what it lies in: the code once more, by another name
        is_folder = os.path.isdir(target)  # noqa: PTH112
        named = path in self._links or path == DATA_FOLDER
        if named or not target.startswith(self._real + os.sep):
            self._found.inputs.append(Input(path=path, kind=InputKind.LINK, is_folder=is_folder))
        elif not (is_ignored(folder.chain, path, folder=False) or folder.tracked_only):
            inside = target[len(self._real) + 1 :].replace(os.sep, "/")
            if set(inside.lower().split("/")) & NEVER_CODE or self._is_kept_out(inside):
                return
            if is_folder:
                self._found.links[path] = inside
            elif (status := os.stat(target)).st_size <= self._rules.largest_file_bytes:  # noqa: PTH116
                if stat.S_ISREG(status.st_mode):
                    self._take(path, status)
            else:
                self._found.inputs.append(Input(path=path, kind=InputKind.BIG, is_folder=False))

    def _is_kept_out(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self._keep_out)


def _inside(paths: Iterable[Path], tree: Path) -> Iterator[str]:
    """Yield those paths that lie in the tree, relative to it; by name and by where they really are."""
    roots = (tree, Path(os.path.realpath(tree)))
    for path in paths:
        for one in (path, Path(os.path.realpath(path))):
            for root in roots:
                if one != root and one.is_relative_to(root):
                    yield one.relative_to(root).as_posix()


def _is_text(name: str) -> bool:
    """Tell whether a name can be written down; one of undecodable bytes cannot be imported either."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
