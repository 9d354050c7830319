"""Where a decision's run will run: in the training repository itself, or in a checkout."""

from __future__ import annotations

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import CodeChange


def runs_in_checkout(code: CodeChange, isolation: CodeIsolation) -> bool:
    """Tell whether a run of this code needs a checkout: its code is not what lies in the repository."""
    if isolation is not CodeIsolation.AUTO:
        return isolation is CodeIsolation.CHECKOUT
    return not code.is_empty or code.base.version != code.base.repository_version
