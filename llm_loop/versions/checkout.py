"""Checkouts: copies of a code version in which a worker thinks and a run runs.

Each is a folder below ``.llm_loop/checkouts`` with a record and an index beside it, out of the reach of
who works in it. A released one is taken again for the next: renamed and made equal to the wanted base,
which costs a look at each file instead of a copy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.code_change import CodeBase
from llm_loop.errors import ContractError, CorruptFileError, FileWriteError
from llm_loop.system import files
from llm_loop.system.folders import make_folder
from llm_loop.versions import rules as reading
from llm_loop.versions.names import folded
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.removal import remove_tree
from llm_loop.versions.rules import DEFAULT_RULES, CodeRules
from llm_loop.versions.store import TreeIndex, Version, VersionStore
from llm_loop.versions.tree import Tree, look, make_equal

SCHEMA_VERSION = 1
MOST_ENTRIES_BESIDE = 10_000
"""How many entries more than its version a checkout may have before nobody looks through them."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredBase:
    """Hold the version to build on, as long as the repository is still what it was at ``repository_version``."""

    run_id: str
    version: str
    repository_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """Hold what a checkout is made from. Paths are absolute; ``checkout_id`` becomes the folder's name."""

    repository: Path
    versions: Path
    checkouts: Path
    checkout_id: str
    rules: CodeRules = DEFAULT_RULES
    config_globs: tuple[str, ...] = ()
    preferred: PreferredBase | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build the request from its JSON form. Raises ContractError."""
        if not isinstance(value, dict):
            raise ContractError("the request", [f"checkout: an object is needed, got {value!r:.80}"])
        preferred = value.get("preferred")
        if preferred is not None:
            names = ("run_id", "version", "repository_version")
            preferred = PreferredBase(**{name: reading.text(preferred, name) for name in names})
        return cls(
            repository=reading.path(value, "repository"),
            versions=reading.path(value, "versions"),
            checkouts=reading.path(value, "checkouts"),
            checkout_id=checked_id(reading.text(value, "checkout_id")),
            rules=CodeRules.from_json(value),
            config_globs=reading.texts(value, "config_globs", ()),
            preferred=preferred,
        )

    @property
    def folder(self) -> Path:
        """Where the checkout lies."""
        return self.checkouts / self.checkout_id

    @property
    def store(self) -> VersionStore:
        """The store that it comes from."""
        return VersionStore(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckout:
    """Hold a checkout that is ready to be worked in, and what it began as."""

    request: CheckoutRequest
    base: CodeBase

    @property
    def folder(self) -> Path:
        """Its folder: the only one that its worker may write into."""
        return self.request.folder


def checked_id(checkout_id: str) -> str:
    """Return a checkout id that is a folder name everywhere. Raises ContractError."""
    if not _NAME.fullmatch(checkout_id):
        raise ContractError("the request", [f"checkout_id: {checkout_id!r} is not letters, digits, '-' and '_'"])
    return checkout_id


def open_checkout(request: CheckoutRequest) -> OpenCheckout:
    """Choose the base and make a fresh checkout of it.

    The base is the preferred version while the repository is unchanged since, else the repository as it stands.
    Raises CodeRefused, FileWriteError.
    """
    base, version = choose_base(request)
    try:
        open_version(request, version, base)
    except CodeRefused:
        if base.run_id is None:
            raise
        base, version = choose_base(replace(request, preferred=None))  # that run's code is damaged
        open_version(request, version, base)
    return OpenCheckout(request=request, base=base)


def choose_base(request: CheckoutRequest) -> tuple[CodeBase, Version]:
    """Return the base of a new checkout and its version. Raises CodeRefused, FileWriteError."""
    version = request.store.take(request.repository, _rules_of(request))
    own = CodeBase(version=version.id, repository_version=version.id)
    preferred = request.preferred
    if preferred is None or preferred.repository_version != version.id:
        return own, version
    try:
        chosen = request.store.read(preferred.version)
    except CodeRefused:  # gone or damaged: the repository itself is there
        return own, version
    return CodeBase(version=chosen.id, repository_version=version.id, run_id=preferred.run_id), chosen


def take_repository(request: CheckoutRequest) -> Version:
    """Return the repository's version as it stands, kept in the store. Raises CodeRefused, FileWriteError."""
    return request.store.take(request.repository, _rules_of(request))


def open_version(request: CheckoutRequest, version: Version, base: CodeBase) -> None:
    """Make the request's folder hold exactly ``version``, whatever lay there. Raises CodeRefused, FileWriteError."""
    if clash := _case_clash(version):
        raise CodeRefused(f"{clash}: the repository cannot be checked out on this system")
    if not request.folder.exists():
        _take_over(request)
    # first the record: what is not recorded as the loop's own is never removed
    record = {"state": "open", "base": asdict(base), "version": version.id}
    write_record(request.checkouts, request.checkout_id, record)
    try:
        _fill(request, version)
    except CodeRefused:
        if version.id != base.repository_version:
            raise
        _fill(request, request.store.take(request.repository, _rules_of(request), anew=True))


def known_files(checkouts: Path, checkout_id: str) -> dict[str, Any]:
    """Return what is known of a checkout's files; nothing on Windows, where times can be set at will."""
    return {} if os.name == "nt" else TreeIndex(_index(checkouts, checkout_id)).read()


def remember_files(checkouts: Path, checkout_id: str, known: Mapping[str, Any]) -> None:
    """Write down what is known of a checkout's files. Raises FileWriteError."""
    TreeIndex(_index(checkouts, checkout_id)).write(known)


def release(checkouts: Path, checkout_id: str) -> None:
    """Say that nobody needs a checkout any more: it may be taken again, or pruned. Raises FileWriteError.

    One small write; an unknown checkout is fine.
    """
    if (record := read_record(checkouts, checkout_id)) is not None:
        write_record(checkouts, checkout_id, record | {"state": "free"})


def read_record(checkouts: Path, checkout_id: str) -> dict[str, Any] | None:
    """Return the record of a checkout; None when there is none, or none that reads."""
    try:
        value = files.read_json(_record(checkouts, checkout_id))
    except (FileNotFoundError, CorruptFileError):
        return None
    return value if isinstance(value, dict) else None


def write_record(checkouts: Path, checkout_id: str, record: Mapping[str, Any]) -> None:
    """Write the record of a checkout. Raises FileWriteError."""
    value = {"schema_version": SCHEMA_VERSION, "folder": checkout_id, **record}
    files.replace_json(_record(checkouts, checkout_id), value, durable=False)


def recorded(checkouts: Path) -> list[str]:
    """Return the ids of all checkouts that the loop made, the one touched last at the end."""
    found = [(one.stat().st_mtime_ns, one.stem) for one in checkouts.glob("*.json") if _NAME.fullmatch(one.stem)]
    return [name for _, name in sorted(found)]


def forget(checkouts: Path, checkout_id: str) -> None:
    """Remove the record of a checkout whose folder is gone. Raises FileWriteError."""
    files.remove(_index(checkouts, checkout_id))
    files.remove(_record(checkouts, checkout_id))


def _rules_of(request: CheckoutRequest) -> CodeRules:
    """Return the rules, with the loop's own folders kept out wherever they lie."""
    rules = request.rules
    return replace(rules, keep_out=(*rules.keep_out, request.checkouts, request.versions))


def _take_over(request: CheckoutRequest) -> None:
    """Rename a released checkout to the wanted name, if there is one; whose rename fails leaves it to others.

    Both names are recorded until it is done: wherever this is cut short, no folder is without a record.
    """
    for old in _free(request.checkouts):
        with suppress(OSError, FileWriteError):
            write_record(request.checkouts, request.checkout_id, {"state": "open"})
            os.rename(request.checkouts / old, request.folder)  # noqa: PTH104
            with suppress(OSError):  # then each file is looked at
                os.rename(_index(request.checkouts, old), _index(request.checkouts, request.checkout_id))  # noqa: PTH104
            forget(request.checkouts, old)
            return


def _free(checkouts: Path) -> Iterator[str]:
    for name in reversed(recorded(checkouts)):
        record = read_record(checkouts, name)
        placed = record is not None and record.get("run_folder") is not None
        if record is not None and record.get("state") == "free" and not placed and record.get("folder") == name:
            yield name


def _fill(request: CheckoutRequest, version: Version) -> None:
    folder = request.folder
    make_folder(folder)
    tree = look(folder, len(version.files) * 3 + 3 * MOST_ENTRIES_BESIDE)
    if tree.overflow:  # what somebody unpacked there must not shut out all who come after
        remove_tree(folder, request.checkouts)
        folder.mkdir()
        tree = Tree()
    known = known_files(request.checkouts, request.checkout_id)
    remember_files(request.checkouts, request.checkout_id, {})
    now = make_equal(folder, version, request.store, known, tree)
    remember_files(request.checkouts, request.checkout_id, now)


def _case_clash(version: Version) -> str:
    """Return which files are one file where case does not count, on a system where it does not; or ""."""
    if os.name != "nt":
        return ""
    seen: dict[str, str] = {}
    for path in version.files:
        if (other := seen.setdefault(folded(path), path)) != path:
            return f"{other} and {path} differ in case alone"
    return ""


def _record(checkouts: Path, checkout_id: str) -> Path:
    return checkouts / f"{checkout_id}.json"


def _index(checkouts: Path, checkout_id: str) -> Path:
    return checkouts / f"{checkout_id}.index"
