"""What git would ignore in a tree, without needing git.

``.gitignore`` files at every depth, the last pattern that matches decides, the deeper file before the
higher one; the work tree's ``info/exclude``; nothing below an ignored folder comes back, but for what
git tracks. A tree inside a larger work tree obeys the files above it too. A person's global ignore
file is not read: the same tree has the same version for everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

from llm_loop.contract.outside_file import read_outside
from llm_loop.versions.git_index import git_folders, tracked_paths

IGNORE_FILE = ".gitignore"
_LARGEST_BYTES = 1_000_000
Chain = tuple[tuple[int, str, GitIgnoreSpec], ...]
"""Pattern lists, the nearest last: characters to cut from a path's start, text to put there, patterns."""


class Ignores:
    """Know what is ignored in one tree. ``read`` returns the ignore file of a folder ("" is the tree), or None."""

    def __init__(self, tree: Path, read: Callable[[str], bytes | None] | None = None) -> None:
        self._tree = tree
        self._read = read or (lambda folder: _bytes(tree / folder / IGNORE_FILE))
        self._top = next((one for one in (tree, *tree.parents) if (one / ".git").exists()), None)
        if self._top is not None and self._is_ignored_itself():
            self._top = None  # the tree lies in a corner that the repository around it does not look at

    def chain(self) -> Chain:
        """Return the patterns that hold in the tree itself."""
        return self.deeper(self._above(), "")

    def deeper(self, chain: Chain, folder: str) -> Chain:
        """Return the patterns that hold in ``folder``, given those around it."""
        data = self._read(folder)
        if not data:
            return chain
        return (*chain, (len(folder) + 1 if folder else 0, "", _spec(data)))

    def is_tracked(self, path: str) -> bool:
        """Tell whether git tracks ``path``, or, for a folder, something in it."""
        return path in self._tracked

    def names_source(self, chain: Chain, path: str) -> bool:
        """Tell whether only a pattern for files ignores ``path``: no folder above it is ignored."""
        return not is_ignored(chain, path.rpartition("/")[0], folder=True)

    @cached_property
    def _tracked(self) -> frozenset[str]:
        if self._top is None:
            return frozenset()
        prefix = self._offset(self._tree)
        found: set[str] = set()
        for path in tracked_paths(self._top):
            if path.startswith(prefix):
                name = path[len(prefix) :]
                while name and name not in found:
                    found.add(name)
                    name = name.rpartition("/")[0]
        return frozenset(found)

    def _above(self) -> Chain:
        if self._top is None:
            return ()
        folders = git_folders(self._top)
        data = _bytes(folders[1] / "info" / "exclude") if folders else None
        offset = self._offset(self._tree)
        chain: Chain = ((0, offset, _spec(data)),) if data else ()
        return chain + self._between(self._top, self._tree)

    def _between(self, top: Path, tree: Path) -> Chain:
        """Return the ignore files of the folders above the tree, from the work tree's top on."""
        above = [one for one in reversed(tree.parents) if one == top or top in one.parents]
        found = ((self._offset(tree, one), _bytes(one / IGNORE_FILE)) for one in above)
        return tuple((0, offset, _spec(data)) for offset, data in found if data)

    def _offset(self, tree: Path, top: Path | None = None) -> str:
        relative = tree.relative_to(top or self._top or tree).as_posix()
        return "" if relative == "." else f"{relative}/"

    def _is_ignored_itself(self) -> bool:
        assert self._top is not None
        folders = [one for one in reversed((self._tree, *self._tree.parents)) if self._top in one.parents]
        return any(is_ignored(self._between(self._top, one), one.name, folder=True, above=True) for one in folders)


def is_ignored(chain: Chain, path: str, *, folder: bool, above: bool = False) -> bool:
    """Tell whether the nearest pattern that matches ``path`` ignores it; ``path`` is relative to the tree.

    With ``above`` the patterns are those around the folder ``path`` itself.
    """
    ending = "/" if folder else ""
    for cut, put, spec in reversed(chain):
        name = put.rstrip("/") if above else put + path[cut:]
        found = spec.check_file(name + ending).include
        if found is not None:
            return found
    return False


def _spec(data: bytes) -> GitIgnoreSpec:
    lines = data.decode("utf-8-sig", "replace").splitlines()
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:  # one line that is no pattern: the others still hold
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _bytes(path: Path) -> bytes | None:
    try:
        return read_outside(path, _LARGEST_BYTES)
    except OSError:
        return None
