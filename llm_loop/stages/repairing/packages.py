"""Rules that bring software: packages and clones that somebody named. What was not named is never taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm_loop.config.settings import CloneSource
from llm_loop.contract.mend import Clone, Mend, MendKind
from llm_loop.repairs.allowed import Choice, Sources, for_model, for_module, sources_of
from llm_loop.repairs.git import without_login
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.stages.repairing.facts import Case


def module_packages(case: Case) -> Mend | None:
    """Install what somebody names for the missing module."""
    return _install(case, "module", for_module)


def model_packages(case: Case) -> Mend | None:
    """Install what somebody names for the unknown model."""
    return _install(case, "model", for_model)


def module_clone(case: Case) -> Mend | None:
    """Clone and install the source that the user names for the missing module or a package above it."""
    return _clone(case, "module", case.config.auto_repair_module_clone_map)


def model_clone(case: Case) -> Mend | None:
    """Clone and install the source that the user names for the unknown model."""
    return _clone(case, "model", case.config.auto_repair_model_clone_map)


def _install(case: Case, kind: str, choose: Callable[[str, Sources], Choice]) -> Mend | None:
    name = case.diagnosis.named(kind)
    if name is None:
        return None
    try:
        choice = choose(name, sources_of(case.config, case.facts.declared))
    except RepairRefused:
        return None
    return Mend(
        kind=MendKind.INSTALL_PACKAGES,
        rule=f"install:{choice.named_by.value}",
        cause=case.diagnosis.cause,
        phase=case.facts.phase,
        subject=name,
        packages=choice.requirements,
        why=f"install {', '.join(choice.requirements)} for the {kind} {name} (named by {choice.named_by.value})",
    )


def _clone(case: Case, kind: str, sources: Mapping[str, CloneSource]) -> Mend | None:
    name = case.diagnosis.named(kind)
    source = (
        None if name is None else next((sources[one] for one in _and_parents(name.lower()) if one in sources), None)
    )
    if source is None:
        return None
    repo = without_login(source.repo)  # mends are journaled, and told to agents
    return Mend(
        kind=MendKind.CLONE_SOURCE,
        rule=f"clone:auto_repair_{kind}_clone_map",
        cause=case.diagnosis.cause,
        phase=case.facts.phase,
        subject=name,
        clone=Clone(repo=repo, ref=source.ref, subdir=source.subdir, editable=source.editable),
        why=f"clone and install {repo} for the {kind} {name}",
    )


def _and_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
