"""What an install would do, read from pip's own report of a dry run, and whether it may."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from llm_loop.repairs.allowed import NEVER
from llm_loop.repairs.environment import Environment, Installed
from llm_loop.repairs.refusal import Reason, RepairRefused
from llm_loop.repairs.requirement import is_package_name, is_version, normal_name

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold one package of an install: its exact version, what it replaces (None: it is new), the file's SHA-256.

    ``is_source`` marks the one that is installed from a local folder.
    """

    name: str
    version: str
    replaces: Installed | None = None
    sha256: str | None = None
    is_source: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        replaces = None if self.replaces is None else self.replaces.to_json()
        return {
            "name": self.name,
            "version": self.version,
            "replaces": replaces,
            "sha256": self.sha256,
            "is_source": self.is_source,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form. Raises ValueError for a name or version that is none: pip is given them."""
        replaces = None if value["replaces"] is None else Installed.from_json(value["replaces"])
        step = cls(**{**value, "replaces": replaces})
        versions = [step.version] if replaces is None else [step.version, replaces.version]
        if not is_package_name(step.name) or not all(map(is_version, versions)):
            raise ValueError(step.name)
        return step


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Hold what an install was asked for: names, the protected ones, the local folder, whether source may be built."""

    names: frozenset[str]
    protected: frozenset[str]
    source: Path | None = None
    allow_source: bool = False


def read_plan(report: Any, environment: Environment, wanted: Wanted) -> tuple[Step, ...]:
    """Return the steps of pip's report (version 1). Raises RepairRefused when one of them may not be."""
    try:
        steps = [_step(item, environment, wanted) for item in report["install"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RepairRefused(Reason.PIP_FAILED, f"pip's report cannot be read ({type(error).__name__})") from error
    for step in steps:
        _check(step, wanted)
    return tuple(steps)


def pins(environment: Environment, names: Collection[str] | None = None) -> str:
    """Return constraints that keep installed packages at their versions; ``names`` None: all of them."""
    kept = [one for name, one in sorted(environment.packages.items()) if names is None or name in names]
    return "".join(f"{one.name}=={one.version}\n" for one in kept if is_version(one.version))


def exact_lines(steps: Sequence[Step]) -> str:
    """Return the requirements file for steps: exact versions, and the exact files where all of them are known."""
    known = all(step.sha256 is not None for step in steps)
    hashes = [f" --hash=sha256:{step.sha256}" if known else "" for step in steps]
    return "".join(f"{step.name}=={step.version}{one}\n" for step, one in zip(steps, hashes, strict=True))


def _step(item: Mapping[str, Any], environment: Environment, wanted: Wanted) -> Step:
    about, download = item["metadata"], item["download_info"]
    name, version = normal_name(about["name"]), about["version"]
    if not is_package_name(name) or not is_version(version):
        raise ValueError(name)
    is_source = "dir_info" in download and wanted.source is not None
    if not is_source:
        _check_origin(name, item, wanted)
    digest = (download.get("archive_info") or {}).get("hashes", {}).get("sha256")
    return Step(
        name=name,
        version=version,
        replaces=environment.packages.get(name),
        sha256=digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None,
        is_source=is_source,
    )


def _check_origin(name: str, item: Mapping[str, Any], wanted: Wanted) -> None:
    if item.get("is_direct"):
        raise RepairRefused(Reason.NOT_ALLOWED, f"{name} would come from an address of its own, not from an index")
    address = urlsplit(item["download_info"]["url"]).path
    if not wanted.allow_source and not address.endswith(".whl"):
        raise RepairRefused(Reason.SOURCE_BUILD, f"{name} has no ready-made build here: it would be built from source")


def _check(step: Step, wanted: Wanted) -> None:
    if step.name in NEVER:
        raise RepairRefused(Reason.PROTECTED, f"the install would bring its own {step.name}, which stays as it is")
    if step.name in wanted.protected and step.replaces is not None:
        raise RepairRefused(
            Reason.PROTECTED,
            f"the install would replace {step.name} {step.replaces.version} by {step.version}, and it is protected",
        )
    if step.name in wanted.protected and step.name not in wanted.names:
        raise RepairRefused(
            Reason.PROTECTED,
            f"the install would add {step.name} {step.version} unasked, and it is protected: "
            "set the training environment up anew, or name it in the map",
        )
    if step.replaces is not None and step.replaces.origin is not None and not step.is_source:
        raise RepairRefused(
            Reason.CANNOT_UNDO,
            f"{step.name} {step.replaces.version} was installed from an address or a folder of its own: "
            "what replaces it could not be taken back",
        )
