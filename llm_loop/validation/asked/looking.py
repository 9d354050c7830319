"""Where modules are, by the finders of this Python, and what source files hold; nothing is imported for that.

Standard library only, for any Python from 3.8.
"""

from __future__ import annotations

import importlib.machinery
import os
import stat
import sys
import time

TYPE_CHECKING = False  # typing costs time to import
if TYPE_CHECKING:
    from typing import Any

MOST_BYTES = 1_000_000
_MOST_ENTRIES = 30_000
_MOST_IN_A_FOLDER = 2_000
_NO_CODE = {".git", ".hg", "node_modules", "__pycache__", ".venv", "venv", "site-packages", "dist-packages", "wandb"}


def within(name: str, where: Any) -> Any:
    """Return the spec of a module in its package's folders: a namespace package would ask its parent for them."""
    try:
        return importlib.machinery.PathFinder.find_spec(name, list(getattr(where, "_path", where)))
    except Exception:  # noqa: BLE001 - a finder of somebody else's
        return None


def ask(name: str) -> Any:
    """Return the first finder's spec of a top-level module; a finder that fails may yet know the module."""
    trouble = None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, None, None)
        except Exception:  # noqa: BLE001 - somebody else's code
            trouble = importlib.machinery.ModuleSpec(name, None, origin=None)
            continue
        if spec is not None:
            return spec
    loaded = sys.modules.get(name)
    return trouble if loaded is None else importlib.machinery.ModuleSpec(name, None, origin=None)


def read(file: str) -> bytes:
    """Return a source file. Raises OSError for what is no regular file, or too large."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("no regular file")
        source = stream.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        raise OSError("too large")
    return source


def lies_around(name: str, roots: list[str], until: float) -> bool:
    """Tell whether a module of that name may lie in the folders ``roots`` or beside them; links are not followed."""
    top = name.partition(".")[0]
    seen = 0
    for root in roots:
        above = root
        for _ in range(4):
            above = os.path.dirname(above)  # noqa: PTH120
            if any(os.path.exists(os.path.join(above, one)) for one in (top, top + ".py")):  # noqa: PTH110, PTH118
                return True
        waiting = [root]
        while waiting:
            try:
                with os.scandir(waiting.pop(0)) as entries:
                    for count, entry in enumerate(entries):
                        seen += 1
                        if entry.name == top or entry.name.partition(".")[0] == top:
                            return True
                        if seen > _MOST_ENTRIES or time.monotonic() > until:
                            return True  # it may: so much is not looked through
                        if count > _MOST_IN_A_FOLDER:
                            break
                        if entry.name not in _NO_CODE and entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
            except OSError:
                continue
    return False


def is_own(spec: Any) -> bool:
    """Tell whether a module is no part of Python and of no installed package."""
    places = [spec.origin] if spec.origin and os.path.isabs(spec.origin) else []  # noqa: PTH117
    places = places or list(getattr(spec.submodule_search_locations, "_path", None) or ())
    standard = os.path.normcase(os.path.realpath(os.path.dirname(os.__file__))) + os.sep  # noqa: PTH120
    for place in (os.path.normcase(os.path.realpath(one)) for one in places):
        parts = place.split(os.sep)  # noqa: PTH206
        if "site-packages" not in parts and "dist-packages" not in parts and not place.startswith(standard):
            return True
    return False
