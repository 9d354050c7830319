"""The command policy: which programs, flags and loaders a decision may not use.

The shipped one is ``config/command_policy.yaml``, written to be read and extended by a user; the
mechanics that apply it are in ``llm_loop.stages.gate_rules``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from llm_loop.contract import schemas
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.system.files import read_text

Kind = TypeVar("Kind")


class Area(StrEnum):
    """Where the targets of a rule may lie.

    ``removable``: inside the run's folder or an output folder; ``repository``: inside the training
    repository or the run's folder; ``unprotected``: anywhere but in the loop's own folders, ``.git``
    and devices.
    """

    REMOVABLE = "removable"
    REPOSITORY = "repository"
    UNPROTECTED = "unprotected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRule:
    """Hold one rule about programs. All conditions that are given must hold for it to apply.

    Names and arguments are shell patterns (``*``, ``?``, ``[...]``). ``leading_options`` are options
    before the first operand; ``max_operands`` applies when there are at most that many operands;
    ``only_when_unfed`` when nothing is piped or redirected into the program; ``targets_within`` when
    a target lies outside that area.
    """

    code: str
    message: str
    fix: str
    programs: tuple[str, ...]
    first_operand: tuple[str, ...] = ()
    any_argument: tuple[str, ...] = ()
    unless_argument: tuple[str, ...] = ()
    leading_options: tuple[str, ...] = ()
    options_with_value: tuple[str, ...] = ()
    max_operands: int | None = None
    only_when_unfed: bool = False
    targets_within: Area | None = None
    targets: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """Hold how programs such as ``env`` and ``timeout`` name the program that they start."""

    programs: tuple[str, ...]
    first_operand: tuple[str, ...] = ()
    options_with_value: tuple[str, ...] = ()
    unless_argument: tuple[str, ...] = ()
    skips_operands: int = 0
    adds_unknown_targets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRule:
    """Hold one rule about calls in Python code, by dotted name (patterns); as ProgramRule else."""

    code: str
    message: str
    fix: str
    calls: tuple[str, ...]
    targets_within: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRules:
    """Hold what reaches the sealed test rows by name.

    ``settings`` with one of ``values`` (``--split test``, ``split: test``), ``switches`` that are
    given or true (``--eval-test``, ``eval_test: true``), ``loaders`` in code, ``files`` by name.
    """

    settings: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPolicy:
    """Hold the whole policy."""

    output_folders: tuple[str, ...] = ()
    removable_names: tuple[str, ...] = ()
    writing_options: tuple[str, ...] = ()
    text_programs: tuple[str, ...] = ()
    downloaders: tuple[str, ...] = ()
    generic_labels: tuple[str, ...] = ()
    sealed: SealedRules = field(default_factory=SealedRules)
    wrappers: tuple[Wrapper, ...] = ()
    programs: tuple[ProgramRule, ...] = ()
    python: tuple[PythonRule, ...] = ()

    @classmethod
    def from_json(cls, value: Any, subject: str = "command policy") -> Self:
        """Check ``value`` against the schema and build the policy. Raises ContractError."""
        schemas.check("command_policy", value, subject)
        kept: dict[str, Any] = {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
        kept.pop("version")
        kept["sealed"] = _built(SealedRules, value.get("sealed", {}))
        for name, kind in (("wrappers", Wrapper), ("programs", ProgramRule), ("python", PythonRule)):
            kept[name] = tuple(_built(kind, entry) for entry in value.get(name, []))
        return cls(**kept)


def load_policy(path: Path) -> CommandPolicy:
    """Read a command policy.

    Raises ConfigError that names the file, the key, what is wrong and the nearest known key; also
    when the file is missing, since a guard must not vanish silently.
    """
    try:
        value = yaml.safe_load(read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; put the shipped config/command_policy.yaml there") from error
    except (OSError, CorruptFileError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())[:300]}") from error
    if broken := schemas.violations("command_policy", value):
        raise ConfigError(f"{path}: " + "; ".join(broken))
    return CommandPolicy.from_json(value, str(path))


def _built(kind: type[Kind], entry: dict[str, Any]) -> Kind:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if values.get("targets_within") is not None:
        values["targets_within"] = Area(values["targets_within"])
    return kind(**values)
