"""Requirements of packages: the part of PEP 508 that names packages and versions, and nothing else.

No address, no path, no option: such a text never becomes a requirement, so it never reaches pip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llm_loop.repairs.refusal import Reason, RepairRefused

LONGEST_TEXT = 300
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_CLAUSE = r"(?:~=|==|!=|<=|>=|<|>)\s*[0-9A-Za-z][0-9A-Za-z.!+_-]{0,60}(?:\.\*)?"
_TERM = (
    r"""(?:python_version|python_full_version|os_name|sys_platform|platform_machine|platform_system"""
    r"""|platform_release|platform_version|platform_python_implementation|implementation_name"""
    r"""|implementation_version|extra|'[\w .+*-]{0,60}'|"[\w .+*-]{0,60}")"""
)
_TEST = rf"[( ]*{_TERM} *(?:===|~=|==|!=|<=|>=|<|>| in | not in ) *{_TERM}[) ]*"
_REQUIREMENT = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\[\s*(?P<extras>{_NAME}(?:\s*,\s*{_NAME})*)\s*\])?"
    rf"\s*(?:\((?P<inner>[^()]*)\)|(?P<plain>[^;()]*?))\s*(?:;(?P<marker>.*))?"
)
_CLAUSES = re.compile(rf"{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*,?")
_MARKER = re.compile(rf"{_TEST}(?:(?:and|or) {_TEST})*")
_PACKAGE = re.compile(_NAME)
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.!+_-]{0,80}")
_MODULE = re.compile(r"[^\W\d]\w{0,99}(?:\.[^\W\d]\w{0,99}){0,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Hold one requirement: name (PEP 503), extras, clauses such as ``>=1.0``, marker or None."""

    name: str
    extras: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    marker: str | None = None

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{','.join(self.clauses)}" + (f"; {self.marker}" if self.marker else "")


def normal_name(name: str) -> str:
    """Return a package name as PEP 503 compares it: ``Foo__Bar.baz`` is ``foo-bar-baz``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_package_name(text: str) -> bool:
    """Tell whether a text is the name of a package: what a broken or hostile install left behind may be none."""
    return _PACKAGE.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Tell whether a text is the version of a package."""
    return _VERSION.fullmatch(text) is not None


def is_module_name(text: str) -> bool:
    """Tell whether a text is a (dotted) module name."""
    return len(text) <= LONGEST_TEXT and _MODULE.fullmatch(text) is not None


def parse_requirement(text: str) -> Requirement:
    """Read one requirement. Raises RepairRefused for a text that is none, or names an address or a path."""
    match = _REQUIREMENT.fullmatch(text.strip()) if len(text) <= LONGEST_TEXT and text.isprintable() else None
    clauses = None if match is None else (match["inner"] if match["inner"] is not None else match["plain"]).strip()
    marker = None if match is None or match["marker"] is None else match["marker"].strip()
    if (
        match is None
        or (clauses and not _CLAUSES.fullmatch(clauses))
        or (marker is not None and not _MARKER.fullmatch(marker))
    ):
        raise RepairRefused(
            Reason.NOT_ALLOWED,
            f"{text[:80]!r} is no package name with versions; write a name, such as timm or timm>=1.0",
        )
    return Requirement(
        name=normal_name(match["name"]),
        extras=tuple(sorted({normal_name(one) for one in _parts(match["extras"])})),
        clauses=tuple("".join(one.split()) for one in _parts(clauses)),
        marker=marker,
    )


def combined(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Join the requirements of one name (and marker): what one asks for and another demands, hold both."""
    joined: dict[tuple[str, str | None], Requirement] = {}
    for one in requirements:
        key = one.name, one.marker
        other = joined.get(key, one)
        joined[key] = Requirement(
            name=one.name,
            extras=tuple(sorted({*other.extras, *one.extras})),
            clauses=tuple(dict.fromkeys([*other.clauses, *one.clauses])),
            marker=one.marker,
        )
    return tuple(joined.values())


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
