"""What the closing event of a cycle says of repairs, in the keys that users of this system know."""

from __future__ import annotations

from typing import Any

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import MendKind
from llm_loop.contract.procedure import DoneMend
from llm_loop.contract.run import Run

_ACCOUNTS = ("pip", "clone", "pip_from_clone")


def auto_repair(run: Run) -> dict[str, Any] | None:
    """Return what was mended in a run and how: the keys of the first mend, and all of them; None for nothing."""
    mends = run.procedure.mends
    if not mends:
        return None
    missing, unsupported = _subject(mends, Cause.MISSING_MODULE), _subject(mends, Cause.UNKNOWN_MODEL)
    fallback = next((done for done in mends if done.mend.kind is MendKind.MODEL_FALLBACK and done.ok), None)
    refused = next((done for done in mends if done.mend.packages and not done.ok), None)
    told = [(key, done.account[key]) for done in mends if done.account is not None for key in _ACCOUNTS]
    accounts = {key: account for key, account in told if account is not None}
    return {
        "reason": _reason(mends[0]),
        "missing_module": missing,
        "unsupported_model": unsupported,
        "packages": [package for done in mends for package in done.mend.packages],
        "python_exe": (accounts.get("pip") or {}).get("python_exe"),
        "model_fallback_applied": fallback is not None,
        "patched_command": run.procedure.command,
        "skip_install_reason": None if refused is None else refused.mend.outcome,
        "pip": accounts.get("pip"),
        "clone": accounts.get("clone"),
        "pip_from_clone": accounts.get("pip_from_clone"),
        "mends": [_told(done) for done in mends],
    }


def _told(done: DoneMend) -> dict[str, Any]:
    mend = done.mend
    return {
        "kind": mend.kind.value,
        "rule": mend.rule,
        "cause": mend.cause.value,
        "phase": mend.phase.value,
        "subject": mend.subject,
        "why": mend.why,
        "ok": done.ok,
        "outcome": mend.outcome,
    }


def _reason(done: DoneMend) -> str:
    """Return the first reason in the known form, such as ``missing_module:cv2``."""
    if done.mend.rule == MendKind.INSTALL_PACKAGES:  # the decision asked for them, nothing had failed
        return done.mend.rule
    words = {Cause.MISSING_MODULE: "missing_module", Cause.UNKNOWN_MODEL: "unsupported_model"}
    what = words.get(done.mend.cause, done.mend.cause.value)
    return what if done.mend.subject is None else f"{what}:{done.mend.subject}"


def _subject(mends: tuple[DoneMend, ...], cause: Cause) -> str | None:
    return next((done.mend.subject for done in mends if done.mend.cause is cause), None)
