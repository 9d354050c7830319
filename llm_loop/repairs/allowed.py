"""Which packages an install may take: only what a person, the training repository or a shipped table names.

In this order: the maps of the configuration, then what the user lists and the repository declares, then, with
``auto_repair_allow_direct_module_install``, the table of well-known modules. A name is never guessed from a module's:
whoever misspells an import must not be given what somebody else put under that name. Pure: no file is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from llm_loop.config import Config
from llm_loop.repairs.known_modules import KNOWN_MODULES, OTHER_BUILDS
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.requirement import Requirement, combined, is_module_name, normal_name, parse_requirement

PROTECTED = ("torch", "torchvision", "torchaudio", "timm", "segmentation-models-pytorch", "llm-loop", "pip")
"""Packages of the training environment that no repair replaces, removes or downgrades."""
NEVER = frozenset({"llm-loop", "pip"})
"""Packages that no install may name: the loop's own is not on any index, and an installer does not replace itself."""


class NamedBy(StrEnum):
    """Who named a package."""

    MODULE_MAP = "auto_repair_module_package_map"
    ALIAS_MAP = "auto_repair_module_alias_map"
    MODEL_MAP = "auto_repair_model_package_map"
    LISTED = "allowed_packages"
    DECLARED = "declared"
    KNOWN = "known_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Hold who may name packages; the maps are those of the configuration, their names in lower case.

    ``listed`` is the user's list and ``declared`` what the user's training repository asks for (never a worker's
    checkout of it), as texts; what is no requirement in them names nothing. ``allow_known`` is
    ``auto_repair_allow_direct_module_install``.
    """

    module_packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    module_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    model_packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    listed: Sequence[str] = ()
    declared: Sequence[str] = ()
    allow_known: bool = False


NOBODY = Sources()
"""Where nobody names any package."""


def sources_of(config: Config, declared: Sequence[str]) -> Sources:
    """Return who may name packages; ``declared`` is what the training repository asks for."""
    return Sources(
        module_packages=config.auto_repair_module_package_map,
        module_aliases=config.auto_repair_module_alias_map,
        model_packages=config.auto_repair_model_package_map,
        listed=config.allowed_packages,
        declared=declared,
        allow_known=config.auto_repair_allow_direct_module_install,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Hold what to install, as requirements of ``repairs.install``, and who named it."""

    requirements: tuple[str, ...]
    named_by: NamedBy


def for_module(module: str, sources: Sources) -> Choice:
    """Return the packages for a module that is missing. Raises RepairRefused with why there are none."""
    if not is_module_name(module):
        raise RepairRefused(Reason.NOT_ALLOWED, f"{module[:80]!r} is no module name: nothing is installed for it")
    root = module.partition(".")[0]
    for name in _and_parents(module.lower()):
        if name in sources.module_packages:
            return _choice(sources.module_packages[name], NamedBy.MODULE_MAP, sources)
    if root.lower() in sources.module_aliases:
        return _choice(sources.module_aliases[root.lower()], NamedBy.ALIAS_MAP, sources)
    known = KNOWN_MODULES.get(root)
    names = {normal_name(root)} if known is None else {known}
    for texts, who in ((sources.listed, NamedBy.LISTED), (sources.declared, NamedBy.DECLARED)):
        if found := [one for one in _readable(texts) if one.name in names]:
            return _checked(found, who, sources)
    if known is not None and sources.allow_known:
        return _choice([known], NamedBy.KNOWN, sources)
    raise RepairRefused(Reason.NOT_ALLOWED, _why_unknown(module, known))


def for_model(model: str, sources: Sources) -> Choice:
    """Return the packages for a model name that the trainer lacks. Raises RepairRefused where no map names any."""
    packages = sources.model_packages.get(model.lower())
    if packages is None:
        raise RepairRefused(
            Reason.NOT_ALLOWED,
            f"no package is known for the model {model[:80]!r}; name it in auto_repair_model_package_map",
        )
    return _choice(packages, NamedBy.MODEL_MAP, sources)


def for_request(texts: Sequence[str], sources: Sources) -> tuple[str, ...]:
    """Return the requirements of a decision's ``install_packages``, with the versions that the sources demand.

    Raises RepairRefused for the first text that is no requirement or names what nobody allowed.
    """
    allowed = allowed_names(sources)
    wanted = [parse_requirement(text) for text in texts]
    for one in wanted:
        if one.name not in allowed:
            raise RepairRefused(
                Reason.NOT_ALLOWED,
                f"{one.name} is in no map, list or declared requirement of this workspace: it is not installed",
            )
    return _checked(wanted, NamedBy.LISTED, sources).requirements if wanted else ()


def allowed_names(sources: Sources) -> frozenset[str]:
    """Return the normal names of all packages that an install may take."""
    maps = (sources.module_packages, sources.module_aliases, sources.model_packages)
    texts = [text for one in maps for packages in one.values() for text in packages]
    names = {one.name for one in _readable([*texts, *sources.listed, *sources.declared])}
    return frozenset(names | (set(KNOWN_MODULES.values()) if sources.allow_known else set())) - NEVER


def _and_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _choice(texts: Sequence[str], who: NamedBy, sources: Sources) -> Choice:
    return _checked([parse_requirement(text) for text in texts], who, sources)


def _checked(wanted: Sequence[Requirement], who: NamedBy, sources: Sources) -> Choice:
    """Return a choice with the versions, and the builds, that the repository and the user demand of these names."""
    if not wanted:
        raise RepairRefused(Reason.NOT_ALLOWED, f"{who} names no package here: nothing is to be installed")
    for one in wanted:
        if one.name in NEVER:
            raise RepairRefused(Reason.PROTECTED, f"{one.name} is no package that an install may take")
    readable = _readable([*sources.listed, *sources.declared])
    wanted = [_build_of(one, readable) for one in wanted]
    names = {one.name for one in wanted}
    demanded = [one for one in readable if one.name in names]
    return Choice(requirements=tuple(map(str, combined([*wanted, *demanded]))), named_by=who)


def _build_of(wanted: Requirement, readable: Sequence[Requirement]) -> Requirement:
    """Return the build of a package that is asked for by name elsewhere, when this one is not."""
    names = {one.name for one in readable}
    others = [name for name in OTHER_BUILDS.get(wanted.name, ()) if name in names]
    return wanted if wanted.name in names or not others else Requirement(name=others[0])


def _readable(texts: Sequence[str]) -> list[Requirement]:
    found: list[Requirement] = []
    for text in texts:
        try:
            found.append(parse_requirement(text))
        except RepairRefused:  # an address or an option of somebody's file: it allows nothing
            continue
    return found


def _why_unknown(module: str, known: str | None) -> str:
    if known is not None:
        return (
            f"the module {module} is in {known}, which no map, list or declared requirement names; "
            "auto_repair_allow_direct_module_install is off"
        )
    return (
        f"no package is known for the module {module}, and none is guessed; "
        "name it in auto_repair_module_package_map, or declare it in the training repository's requirements and start "
        "the loop anew"
    )
