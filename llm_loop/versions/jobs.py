"""The jobs of this room, from the JSON of a request to that of an answer; ``__main__`` says their forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_loop.contract.code_change import CodeBase
from llm_loop.contract.decision import Edit
from llm_loop.errors import ContractError
from llm_loop.versions import rules as reading
from llm_loop.versions.checkout import (
    CheckoutRequest,
    OpenCheckout,
    checked_id,
    open_checkout,
    open_version,
)
from llm_loop.versions.collecting import collect
from llm_loop.versions.edits import apply_edits
from llm_loop.versions.export import PATCH_FILE, export
from llm_loop.versions.pruning import discard, prune
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.store import VersionStore

_MOST_NAMED = 100
_EDIT_KEYS = ("path", "new_text", "old", "new")


def take(request: Mapping[str, Any]) -> dict[str, Any]:
    """Take the version of a folder."""
    store = VersionStore(reading.path(request, "versions"))
    version = store.take(reading.path(request, "repository"), CodeRules.from_json(request))
    return {"version": version.id, "files": len(version.files), "bytes": version.bytes}


def compare(request: Mapping[str, Any]) -> dict[str, Any]:
    """Tell whether a folder still holds what a version does."""
    store = VersionStore(reading.path(request, "versions"))
    known = store.read(reading.text(request, "version"))
    now = store.take_like(reading.path(request, "repository"), known)
    changed = sorted(path for path, entry in known.files.items() if now.files.get(path) != entry)
    return {"version": now.id, "changed": changed[:_MOST_NAMED]}


def edit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a fresh checkout with edits in it."""
    checkout = CheckoutRequest.from_json(request.get("checkout"))
    edits = _edits(request.get("edits"))
    if request.get("base") is None:
        opened = open_checkout(checkout)
    else:
        opened = OpenCheckout(request=checkout, base=_base(request["base"]))
        open_version(checkout, checkout.store.read(opened.base.version), opened.base)
    return {"change": collect(opened, apply_edits(opened, edits)).to_json()}


def open_again(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a checkout of one version."""
    checkout = CheckoutRequest.from_json(request.get("checkout"))
    version = checkout.store.read(reading.text(request, "version"))
    open_version(checkout, version, CodeBase(version=version.id, repository_version=version.id))
    return {"folder": str(checkout.folder), "checkout_id": checkout.checkout_id, "version": version.id}


def discard_one(request: Mapping[str, Any]) -> dict[str, Any]:
    """Remove one checkout."""
    name = checked_id(reading.text(request, "checkout_id"))
    discard(reading.path(request, "checkouts"), reading.path(request, "versions"), name)
    return {"removed": [name]}


def prune_old(request: Mapping[str, Any]) -> dict[str, Any]:
    """Remove old checkouts."""
    checkouts = reading.path(request, "checkouts")
    versions = reading.path(request, "versions") if request.get("versions") else checkouts.with_name("versions")
    keep_last = request.get("keep_last", 0)
    if not isinstance(keep_last, int) or keep_last < 0:
        raise ContractError("the request", [f"keep_last: {keep_last!r} is no number of checkouts"])
    return {"removed": prune(checkouts, versions, reading.texts(request, "keep", ()), keep_last)}


def export_run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Give out the code of a run."""
    run = request.get("run")
    found = export(
        VersionStore(reading.path(request, "versions")),
        version_id=reading.text(request, "version"),
        repository_version=reading.text(request, "repository_version") if request.get("repository_version") else None,
        repository=reading.path(request, "repository"),
        rules=CodeRules.from_json(request),
        run=run if isinstance(run, dict) else {},
        run_folder=reading.path(request, "run_folder") if request.get("run_folder") else None,
        folder=reading.path(request, "folder"),
    )
    return {
        "folder": str(found.folder),
        "files": found.files,
        "patch": str(found.folder / PATCH_FILE),
        "patched": list(found.patched),
        "applies": found.applies,
        "configs": list(found.configs),
    }


def _edits(value: Any) -> list[Edit]:
    given: list[Any] = value if isinstance(value, list) else [None]
    if not all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in given):
        raise ContractError("the request", ["edits: a list of edits, each with a path, is needed"])
    return [Edit(**{name: one.get(name) for name in _EDIT_KEYS}) for one in given]


def _base(value: Any) -> CodeBase:
    try:
        return CodeBase(**value)
    except TypeError as error:
        raise ContractError("the request", [f"base: no base of a checkout ({error})"]) from error
