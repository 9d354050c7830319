"""What somebody else asks of the loop: one file in ``.llm_loop/inbox``, taken once and answered in the journal.

Whoever asks writes the whole file under another name and renames it to ``<id>.json``. The answer is the journal's
event ``request_answered`` with the same id; the file is removed behind it.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from llm_loop.contract import schemas
from llm_loop.contract.decision import Action, Decision, Housekeeping, IdeaCategory
from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import ContractError
from llm_loop.system.clock import utc_stamp

SCHEMA_VERSION = 1
MOST_BYTES = 256_000
MOST_DECISIONS = 20
LONGEST_NOTE = 500
_ID = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")  # a file name everywhere, and no two are one where case does not count
_RATIONALE = "Queued by a person, who gave no reason for it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduces:
    """Name the run that is run once more as it was, and the code version that it ran; both as the journal has them."""

    run_id: str
    version: str | None
    repository_version: str | None


class RequestKind(StrEnum):
    """What is asked for."""

    QUEUE_ADD = "queue_add"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold one request.

    ``decisions`` (1 to 20, queue_add alone) are what to run; ``run`` (cancel, approve, reject) is a run's id or label;
    ``reason`` (resolve alone) is the id of a reason for which a person was needed, or ``all``; ``note`` (reject and
    resolve, may be None, at most 500 characters) says why. ``reproduces`` (queue_add of one decision alone) is the run
    that this one runs again.
    """

    id: str
    kind: RequestKind
    run: str | None = None
    note: str | None = None
    reason: str | None = None
    decisions: tuple[Decision, ...] | None = None
    reproduces: Reproduces | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, value: Any, subject: str = "request") -> Self:
        """Check ``value`` against the schema and its own sense, and build the request. Raises ContractError."""
        value = (
            {"reason": None, "reproduces": None, **value} if isinstance(value, dict) else value
        )  # as those of before
        schemas.check("request", value, subject)
        fields = dict(value) | {"kind": RequestKind(value["kind"])}
        if wrong := list(_violations(fields)):
            raise ContractError(subject, wrong)
        if fields["decisions"] is not None:
            fields["decisions"] = tuple(Decision.from_json(one, subject) for one in fields["decisions"])
        if fields["reproduces"] is not None:
            fields["reproduces"] = Reproduces(**fields["reproduces"])
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every key of the schema in it."""
        return {
            "schema_version": self.schema_version,
            "id": self.id,
            "kind": self.kind.value,
            "run": self.run,
            "note": self.note,
            "reason": self.reason,
            "decisions": None if self.decisions is None else [one.to_json() for one in self.decisions],
            "reproduces": None if self.reproduces is None else asdict(self.reproduces),
        }


def new_id(now: datetime) -> str:
    """Return an id that nobody else has; those of later seconds sort behind it."""
    return f"{utc_stamp(now).lower()}-{secrets.token_hex(6)}"


def is_id(text: str) -> bool:
    """Tell whether a text may be a request's id."""
    return _ID.fullmatch(text) is not None


def read_request(path: Path) -> Request:
    """Return the request in a file that anybody may have written there.

    Raises FileNotFoundError when it is gone, ContractError for anything that is no request of that name.
    """
    if not is_id(path.stem):
        raise ContractError(path.name, ["a request's file is named by its id: 8 to 64 of a-z, 0-9 and -, then .json"])
    try:
        value = json_value(read_outside(path, MOST_BYTES), path.name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContractError(path.name, [f"it cannot be read: {error.strerror or error}"]) from error
    try:
        request = Request.from_json(value, path.name)
    except RecursionError as error:
        raise ContractError(path.name, ["it is nested too deeply"]) from error
    if request.id != path.stem:
        raise ContractError(path.name, [f"id: {request.id[:80]!r} is another than the file's name"])
    return request


def json_value(data: bytes, subject: str) -> Any:
    """Return the value of JSON as any editor or shell may have written it: UTF-8 or UTF-16, with a mark or without.

    Raises ContractError, also for numbers that are none (NaN).
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return json.loads(data.decode(encoding), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ContractError(subject, [f"not UTF-8 text (byte {error.start})"]) from error
    except json.JSONDecodeError as error:
        raise ContractError(subject, [f"not JSON (line {error.lineno}: {error.msg})"]) from error
    except (ValueError, RecursionError) as error:
        raise ContractError(subject, [f"not JSON that can be read ({error})"]) from error


def filled(value: Any) -> Any:
    """Return a person's decision with what may be left out: all but ``command`` and ``run_label``.

    Nothing that is there is changed; what is no object at all comes back as it is.
    """
    if not isinstance(value, dict):
        return value
    defaults = Decision(
        action=Action.RUN_COMMAND, rationale=_RATIONALE, idea_category=IdeaCategory.OTHER, working_folder="."
    ).to_json()
    wanted = ("command", "run_label")
    whole = {name: default for name, default in defaults.items() if name not in wanted} | value
    if isinstance(whole["housekeeping"], dict):
        whole["housekeeping"] = Housekeeping().to_json() | whole["housekeeping"]
    if isinstance(whole["edits"], list):
        nothing = {"new_text": None, "old": None, "new": None}
        whole["edits"] = [nothing | edit if isinstance(edit, dict) else edit for edit in whole["edits"]]
    return whole


def _violations(fields: dict[str, Any]) -> list[str]:
    """Return what the schema cannot say: which field belongs to which kind, and how much there may be."""
    wrong = []
    kind: RequestKind = fields["kind"]
    adds, resolves = kind is RequestKind.QUEUE_ADD, kind is RequestKind.RESOLVE
    if not is_id(fields["id"]):
        wrong.append("id: 8 to 64 of a-z, 0-9 and - are an id")
    if adds != (fields["decisions"] is not None):
        wrong.append("decisions: queue_add has some, and nothing else has")
    if (adds or resolves) == bool(fields["run"]):
        wrong.append("run: cancel, approve and reject name a run, and nothing else does")
    if resolves != bool(fields["reason"]):
        wrong.append("reason: resolve names one, and nothing else does")
    if fields["note"] is not None and kind not in (RequestKind.REJECT, RequestKind.RESOLVE):
        wrong.append("note: only reject and resolve have one")
    if fields["note"] is not None and len(fields["note"]) > LONGEST_NOTE:
        wrong.append(f"note: {len(fields['note'])} characters; at most {LONGEST_NOTE} are kept")
    if adds and fields["decisions"] is not None and not 1 <= len(fields["decisions"]) <= MOST_DECISIONS:
        wrong.append(f"decisions: {len(fields['decisions'])} of them; 1 to {MOST_DECISIONS} are taken at once")
    if fields["reproduces"] is not None and (not adds or len(fields["decisions"] or ()) != 1):
        wrong.append("reproduces: it goes with one decision of queue_add")
    return wrong


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
