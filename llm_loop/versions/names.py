"""Which paths an edit may have: the outer half of the door.

A path must mean the same file on Linux and on Windows, stay in the checkout, and hide nothing from who
reads it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

from llm_loop.versions.rules import CACHES, DATA_FOLDER, NEVER_CODE, CodeRules

_LONGEST_PART_BYTES = 120
_LONGEST_BYTES = 400
_DEEPEST = 24
_RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)")
_HERE = re.compile(r"^(?:\./)+")
_SHORT_NAME = re.compile(r"~[0-9]+(\.|$)")
AGENT_FOLDERS = frozenset({".codex", ".agents", ".aws", ".ssh"})
"""Names under which agents and their sandboxes keep their own things, in lower case."""


def tidy(path: str) -> str:
    """Return a path as models of both systems write it, with ``/`` and without a leading ``./``."""
    return _HERE.sub("", path.replace("\\", "/"), count=1)


def path_trouble(path: str) -> str:
    """Return why ``path`` (tidied) cannot be the name of a file in a checkout, or ""."""
    if not path.strip():
        return "the path is empty"
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "the path must be relative to the repository"
    parts = path.split("/")
    if ".." in parts:
        return "the path climbs out with '..'"
    if len(path.encode("utf-8", "surrogatepass")) > _LONGEST_BYTES or len(parts) > _DEEPEST:
        return "the path is too long or too deep"
    return next((trouble for part in parts if (trouble := _part_trouble(part))), "")


def _part_trouble(part: str) -> str:
    """Return why a part of a path cannot be taken, or ""."""
    if part in ("", "."):
        return "the path has an empty part"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for char in part):
        return "the path holds a character that cannot be seen or written"
    if any(char in part for char in ':<>"|?*'):
        return "the path holds a character that Windows keeps for itself"
    if part != part.strip() or part.endswith("."):
        return "a part of the path begins or ends with a blank or ends with a dot"
    if _RESERVED.match(part.lower()):
        return f"Windows keeps the name {part!r} for a device"
    if _SHORT_NAME.search(part):
        return f"{part!r} may be the short name of another file on Windows"
    if len(part.encode("utf-8", "surrogatepass")) > _LONGEST_PART_BYTES:
        return "a part of the path is too long"
    lowered = part.lower()
    if lowered in NEVER_CODE or lowered in AGENT_FOLDERS or lowered in CACHES:
        return f"{part!r} is never code"
    return ""


def no_code_folders(rules: CodeRules, code: Iterable[str]) -> dict[str, str]:
    """Return the folders in which an edit would be none of code, and what they are.

    A folder in which a version has ``code`` all the same, such as a package named ``data``, is not among them.
    """
    folders = dict.fromkeys(rules.output_paths(), "an output folder of the runs")
    folders |= dict.fromkeys((*rules.link_paths(), DATA_FOLDER), "an input that is linked, not copied")
    tops = {path[: len(one)] for path in code for one in folders if path.startswith(f"{one}/")}
    return {one: what for one, what in folders.items() if one not in tops}


def folded(path: str) -> str:
    """Return the one form that a path has where case, or the way to write an accent, does not count."""
    return unicodedata.normalize("NFC", path).casefold()


def matches_any(path: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether ``path`` matches a pattern; ``**/`` stands for any folders, none among them."""
    return any(
        fnmatchcase(path, one) or ("**/" in one and fnmatchcase(path, one.replace("**/", ""))) for one in patterns
    )
