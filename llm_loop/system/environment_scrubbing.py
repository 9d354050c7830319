"""Which environment variables hold secrets: they reach neither a run nor the commands of an agent."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY|WEBHOOK|CONNECTION_STRING"
    r"|(^|_)(KEY|PASS|(?<!SSH_)AUTH|DSN|JWT|BEARER|COOKIE)(_|$)|_(PAT|PWD)$",
    re.IGNORECASE,
)
_LOGIN_IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_OWN = ("LLM_LOOP_", "CODEX_")


def without_secrets(base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what looks like a secret, and without LLM_LOOP_* and CODEX_*.

    A secret is told by its name, or by an address with a password in it. A proxy's stays: without it there
    is no network behind one.
    """
    return {name: value for name, value in base.items() if not _looks_secret(name, value)}


def _looks_secret(name: str, value: str) -> bool:
    if name.upper().startswith(_OWN) or _SECRET.search(name):
        return True
    return _LOGIN_IN_ADDRESS.search(value) is not None and not name.upper().endswith("_PROXY")
