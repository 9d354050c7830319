"""What the gate is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.command_policy import CommandPolicy
from llm_loop.repairs.allowed import NOBODY, Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class GateIssue:
    """Hold one thing that is wrong with a decision, and how to mend it.

    An issue that is not ``blocking`` is only noted.
    """

    code: str
    message: str
    fix: str
    blocking: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """Hold what the gate knows besides the decision.

    ``workspace``, ``training_repo_root`` and ``sealed_root`` are absolute. ``shell`` is bash, sh, pwsh
    or powershell: the one that would run the command. ``known_run_ids`` are the runs that may be named,
    ``active_run_ids`` those in a slot. ``code`` is what the decision's checkout differs by from its base,
    ``checkout`` that checkout when the command will run in it (None: in the training repository itself);
    ``isolation`` is the configuration's ``code_isolation``. ``sources`` say which packages a decision may install.
    """

    workspace: Path
    training_repo_root: Path
    sealed_root: Path
    forbidden_approaches: tuple[str, ...]
    policy: CommandPolicy
    shell: str
    known_run_ids: frozenset[str]
    active_run_ids: tuple[str, ...]
    code: CodeChange | None = None
    checkout: Path | None = None
    isolation: CodeIsolation = CodeIsolation.AUTO
    sources: Sources = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold the gate's answer: the decision is refused when ``blocked``."""

    blocked: bool
    issues: tuple[GateIssue, ...]

    def to_json(self) -> dict[str, Any]:
        """Return ``{"blocked", "issues": [codes], "details": [{code, message, fix}]}``."""
        return {
            "blocked": self.blocked,
            "issues": list(dict.fromkeys(issue.code for issue in self.issues)),
            "details": [{"code": one.code, "message": one.message, "fix": one.fix} for one in self.issues],
        }
