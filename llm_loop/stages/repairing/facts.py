"""What the rules of repair look at, and what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.diagnosis import Diagnosis
from llm_loop.contract.mend import Mend, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Hold what is known of the run that failed.

    ``command`` is as it was run last, ``shell`` reads it. ``params`` is the flat configuration (dotted key to value) in
    effect: of the config file that the command names, or as the trainer resolved it; None where neither can be read.
    ``known_keys`` are the keys that the trainer is known to take beyond those.
    ``declared`` are the requirements that the training repository asks for.
    """

    phase: Phase
    command: str
    shell: str
    params: Mapping[str, Any] | None = None
    known_keys: frozenset[str] = field(default_factory=frozenset)
    declared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Hold all that a rule may look at."""

    diagnosis: Diagnosis
    facts: RunFacts
    config: Config


Rule = Callable[[Case], Mend | None]
