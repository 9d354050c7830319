"""What a decision changes of the training repository's code, as found in its checkout.

A checkout begins as a copy of its **base**: the repository as it stands, or the version of an earlier
run. What differs from the base when the worker has ended is the change; the gate judges it together
with the decision, and the run records the version that it makes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

SCHEMA_VERSION = 1


class ChangeKind(StrEnum):
    """What became of one file."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """Hold one changed file: its path in the repository with ``/``, and how many lines came and went.

    ``lines_added`` and ``lines_removed`` are None for a file that is no text.
    """

    path: str
    kind: ChangeKind
    lines_added: int | None = None
    lines_removed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBase:
    """Name what a checkout began as.

    ``version`` is a code version, ``repository_version`` the user's repository's at that moment, ``run_id`` the run
    whose version it is (None: the repository's own).
    """

    version: str
    repository_version: str
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """Hold what a checkout differs by from its base.

    ``version`` is the code version with the change in it (the base's when nothing changed). ``diff`` is a unified
    diff, cut at 60,000 characters (``diff_is_cut``). ``config_files`` are new files that match ``config_globs``: path
    in the repository to text; they count as configurations of this run, not as changed code, and are not in ``files``.
    ``refusals`` say what of the edits cannot be taken, one sentence each; a change with refusals is not run.
    ``checkout`` is the checkout's folder name under ``.llm_loop/checkouts``.
    """

    base: CodeBase
    version: str
    checkout: str
    files: tuple[ChangedFile, ...] = ()
    diff: str = ""
    diff_is_cut: bool = False
    config_files: dict[str, str] | None = None
    refusals: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing differs from the base."""
        return not self.files and not self.config_files

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = asdict(self)
        value["files"] = [{**entry, "kind": entry["kind"].value} for entry in value["files"]]
        return value | {"refusals": list(self.refusals)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the change from its JSON form, which only the loop writes. Raises KeyError, TypeError, ValueError."""
        fields = dict(value)
        fields["base"] = CodeBase(**fields["base"])
        fields["files"] = tuple(
            ChangedFile(**{**entry, "kind": ChangeKind(entry["kind"])}) for entry in fields["files"]
        )
        fields["refusals"] = tuple(fields["refusals"])
        return cls(**fields)
