"""The request of an install or an undo, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import ContractError
from llm_loop.repairs.allowed import NEVER, PROTECTED
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.requirement import Requirement, combined, is_module_name, normal_name, parse_requirement

UNDO_S = 300.0
"""What an undo may take, beside the deadline of an install: a job is given both."""
_MARGIN_S = 15.0
_MOST_REQUIREMENTS = 30


def job_deadline_s(deadline_s: float) -> float:
    """Return the deadline of the whole job for a request with that ``deadline_s``: its undo must have its time."""
    return deadline_s + UNDO_S + _MARGIN_S


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFolder:
    """Hold a local folder to install: its path, and whether as editable."""

    folder: Path
    editable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """Hold what to install and where; ``record`` and ``log`` are files, ``in_use_by`` folders of attempts."""

    python: Path
    requirements: tuple[Requirement, ...]
    import_names: tuple[str, ...]
    protected: frozenset[str]
    allow_source: bool
    deadline_s: float
    log: Path
    record: Path
    in_use_by: tuple[Path, ...]
    source: SourceFolder | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: SourceFolder | None = None) -> Self:
        """Build it from a request that the loop wrote.

        Raises ContractError for a wrong form, RepairRefused for a text that is no requirement or no module name.
        """
        given = texts(value, "requirements", ())
        if (not given and source is None) or len(given) > _MOST_REQUIREMENTS:
            raise ContractError("the request", [f"requirements: 1 to {_MOST_REQUIREMENTS} are needed"])
        modules = texts(value, "import_names", ())
        for module in modules:
            if not is_module_name(module):
                raise RepairRefused(Reason.NOT_ALLOWED, f"{module[:80]!r} is no module name")
        requirements = combined(parse_requirement(text) for text in given)
        for one in requirements:
            if one.name in NEVER:
                raise RepairRefused(Reason.PROTECTED, f"{one.name} is no package that an install may take")
        protected = {normal_name(one) for one in texts(value, "protected", PROTECTED)}
        return cls(
            python=absolute(value, "python"),
            requirements=requirements,
            import_names=modules,
            protected=frozenset(protected | NEVER),
            allow_source=value.get("allow_source") is True,
            deadline_s=seconds(value),
            log=absolute(value, "log"),
            record=absolute(value, "record"),
            in_use_by=tuple(map(Path, texts(value, "in_use_by", ()))),
            source=source,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRequest:
    """Hold which record to undo."""

    record: Path
    deadline_s: float
    log: Path
    in_use_by: tuple[Path, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from a request that the loop wrote. Raises ContractError."""
        return cls(
            record=absolute(value, "record"),
            deadline_s=seconds(value),
            log=absolute(value, "log"),
            in_use_by=tuple(map(Path, texts(value, "in_use_by", ()))),
        )


def absolute(value: Mapping[str, Any], key: str) -> Path:
    """Return an absolute path of a request. Raises ContractError."""
    given = value.get(key)
    if not isinstance(given, str) or "\0" in given or not Path(given).is_absolute():
        raise ContractError("the request", [f"{key}: {given!r} is no absolute path"])
    return Path(given)


def texts(value: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list of texts of a request. Raises ContractError."""
    given = value.get(key)
    if given is None:
        return default
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ContractError("the request", [f"{key}: {given!r} is no list of texts"])
    return tuple(given)


def seconds(value: Mapping[str, Any]) -> float:
    """Return the request's ``deadline_s``. Raises ContractError."""
    given = value.get("deadline_s")
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 86_400:
        raise ContractError("the request", [f"deadline_s: {given!r} is no number of seconds up to a day"])
    return float(given)
