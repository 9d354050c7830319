"""What a check of a data set found, as JSON and as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from llm_loop.trainer.prepare.shortcuts import Shortcut

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold what a check found. ``errors`` are what nothing may be trained with, ``warnings`` what a person decides."""

    place: str
    kind: str
    images: dict[str, dict[str, int]]
    sizes: dict[str, Any]
    duplicates: dict[str, int]
    shortcuts: list[Shortcut]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sealed: dict[str, Any] | None = None
    contact_sheet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema_version": 1, "verdict": "errors" if self.errors else "good", **asdict(self)}


def as_lines(findings: Findings) -> list[str]:
    """Return the findings for people."""
    lines = [f"{findings.place}: {findings.kind}"]
    for split, counts in findings.images.items():
        total = sum(counts.values())
        parts = ", ".join(f"{label or '(none)'} {count} ({count / total:.0%})" for label, count in counts.items())
        lines.append(f"{split}: {total} images; label {parts}")
    if findings.sizes:
        (w, wide), (h, high) = findings.sizes["width"], findings.sizes["height"]
        most = ", ".join(f"{size} ({count})" for size, count in findings.sizes["most_frequent"].items())
        lines.append(f"sizes: width {w} to {wide}, height {h} to {high}; most frequent {most}")
    found = [f"{what} {count}" for what, count in findings.duplicates.items() if count]
    lines.append(f"duplicate pairs: {', '.join(found) or 'none'}")
    strongest = findings.shortcuts[:5]
    for one in strongest:
        mark = "SHORTCUT" if one.flagged else "feature"
        lines.append(f"{mark}: {one.feature}: AUC {one.auc:.3f} ({one.low:.2f} to {one.high:.2f}), n {one.n}")
    if findings.sealed is not None:
        where = "their folder is there" if findings.sealed["found"] else "their folder was not looked at"
        lines.append(f"sealed: {findings.sealed['rows']} test rows ({where}; none is shown)")
    if findings.contact_sheet is not None:
        lines.append(f"contact sheet: {findings.contact_sheet}")
    lines += [f"warning: {line}" for line in findings.warnings]
    lines += [f"ERROR: {line}" for line in findings.errors[:_MOST_NAMED]]
    if len(findings.errors) > _MOST_NAMED:
        lines.append(f"ERROR: and {len(findings.errors) - _MOST_NAMED} more (--json names all)")
    lines.append(f"{len(findings.errors)} error(s), {len(findings.warnings)} warning(s)")
    return lines


def shortcut_line(one: Shortcut) -> str:
    """Return the warning on one shortcut."""
    line = f"a shortcut: {one.feature} alone predicts the label {one.label} with an AUC of {one.auc:.3f}"
    line += f" ({one.low:.2f} to {one.high:.2f}, n {one.n}, {one.positive} of them {one.label})"
    return line if one.share is None else f"{line}; where it is there ({one.shown}), {one.share:.0%} have one label"


def some(names: Sequence[str]) -> str:
    """Return at most 20 names, and how many more there are."""
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + rest
