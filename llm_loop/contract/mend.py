"""What a rule does about a failed run, and what a person is told where no rule can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract.diagnosis import Cause

Scalar = str | int | float | bool


class MendKind(StrEnum):
    """The kinds of mends."""

    INSTALL_PACKAGES = "install_packages"
    CLONE_SOURCE = "clone_source"
    MODEL_FALLBACK = "model_fallback"
    HALVE_BATCH = "halve_batch"
    LOWER_LEARNING_RATE = "lower_learning_rate"


class Phase(StrEnum):
    """The part of a run that failed."""

    VALIDATION = "validation"
    EXECUTION = "execution"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Name a source repository to clone and install; "" = its default branch, its root folder."""

    repo: str
    ref: str = ""
    subdir: str = ""
    editable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """Hold one mend of one run.

    ``rule`` is the rule that chose it, ``subject`` the module or model it is about. ``packages`` are requirements as
    pip reads them. ``changes`` are new values by dotted config key, for a copy of the config file that ``command``
    names (``config_path``, as written there); ``command`` is the whole new command, None where it stays or follows
    from the copy. ``why`` is a sentence; ``outcome`` what became of it, None until that is known.
    """

    kind: MendKind
    rule: str
    cause: Cause
    phase: Phase
    why: str
    subject: str | None = None
    packages: tuple[str, ...] = ()
    clone: Clone | None = None
    changes: Mapping[str, Scalar] = field(default_factory=dict)
    config_path: str | None = None
    command: str | None = None
    outcome: str | None = None

    def repairs_the_same(self, other: Mend) -> bool:
        """Tell whether the same rule repairs the same cause in both."""
        return (self.rule, self.cause, self.subject) == (other.rule, other.cause, other.subject)

    def does_the_same(self, other: Mend) -> bool:
        """Tell whether the attempt after both would be alike."""
        return self._effect() == other._effect()

    def _effect(self) -> tuple[Any, ...]:
        return self.kind, frozenset(self.packages), self.clone, frozenset(self.changes.items()), self.command

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        clone = self.clone
        return {
            "kind": self.kind.value,
            "rule": self.rule,
            "cause": self.cause.value,
            "phase": self.phase.value,
            "why": self.why,
            "subject": self.subject,
            "packages": list(self.packages),
            "clone": None
            if clone is None
            else {"repo": clone.repo, "ref": clone.ref, "subdir": clone.subdir, "editable": clone.editable},
            "changes": dict(self.changes),
            "config_path": self.config_path,
            "command": self.command,
            "outcome": self.outcome,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a mend from its JSON form."""
        fields = dict(value)
        fields |= {"kind": MendKind(value["kind"]), "cause": Cause(value["cause"]), "phase": Phase(value["phase"])}
        fields["packages"] = tuple(value["packages"])
        fields["clone"] = None if value["clone"] is None else Clone(**value["clone"])
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Hold why a person is needed. ``attempted`` are the mends so far, one sentence each.

    ``model_may_help``: an agent that reads the failure and edits code or config may mend it first. ``is_global``:
    nothing else can train meanwhile.
    """

    cause: Cause
    phase: Phase
    why: str
    attempted: tuple[str, ...]
    failure: str
    what_to_do: str
    model_may_help: bool
    is_global: bool
