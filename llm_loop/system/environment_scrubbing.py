"""Which environment variables hold secrets: they reach neither a run nor the commands of an agent."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY|(^|_)KEY$|_(PAT|PWD)$",
    re.IGNORECASE,
)
_OWN = ("LLM_LOOP_", "CODEX_")


def without_secrets(base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what looks like a secret by its name, and without LLM_LOOP_* and CODEX_*."""
    return {
        name: value for name, value in base.items() if not _SECRET.search(name) and not name.upper().startswith(_OWN)
    }
