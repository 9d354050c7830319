"""The report of a preparation, for people: every count, and the names of what was left out; never a test row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from llm_loop.trainer.prepare.choosing import Choice, Chosen, Plan
from llm_loop.trainer.prepare.source import Archive
from llm_loop.trainer.prepare.splitting import TEST, TRAIN, VAL
from llm_loop.trainer.prepare.writing import target_size

_MOST_NAMES = 200


def report_text(archive: Archive, choice: Choice, plan: Plan) -> str:
    """Return the report as Markdown. It tells how many test rows were sealed, and nothing else of them."""
    repairs = "repaired where it can be" if plan.repair else "left out"
    size = "as they are" if plan.image_size is None else f"longer side at most {plan.image_size} pixels"
    lines = [
        f"# {plan.name}: how it was prepared",
        "",
        f"Source: {archive.kind}. Seed {plan.seed}; shares: val {plan.val:g}, test {plan.test:g}. Sizes: {size}. "
        f"Truncated JPEGs: {repairs}.",
        "",
        *_splits(archive, choice.chosen),
        *_pictures(choice.chosen, plan),
        *_duplicates(choice),
        *_left_out(choice.left_out),
        *_remarks(archive, {one.source.name for one in choice.chosen if one.split == TEST}),
    ]
    return "\n".join(lines) + "\n"


def _splits(archive: Archive, chosen: Sequence[Chosen]) -> list[str]:
    counts = Counter((one.split, one.source.label) for one in chosen)
    groups = {split: len({one.group for one in chosen if one.split == split}) for split in (TRAIN, VAL, TEST)}
    labels = sorted(archive.labels)
    lines = ["## Splits", "", f"| split | {' | '.join(f'{one} ({archive.labels[one]})' for one in labels)} | groups |"]
    lines.append("|---" * (len(labels) + 2) + "|")
    for split in (TRAIN, VAL, TEST):
        name = f"{split} (sealed)" if split == TEST else split
        lines.append(f"| {name} | {' | '.join(str(counts[split, one]) for one in labels)} | {groups[split]} |")
    return [*lines, "", "A group is never in two splits. The test rows lie in sealed_root alone.", ""]


def _pictures(chosen: Sequence[Chosen], plan: Plan) -> list[str]:
    seen = [one for one in chosen if one.split != TEST]
    rewritten = sum(
        not one.look.as_is
        or target_size((one.look.width, one.look.height), plan.image_size) != (one.look.width, one.look.height)
        for one in seen
    )
    sizes = Counter((one.look.width, one.look.height) for one in seen).most_common(5)
    modes = Counter(one.look.mode for one in seen)
    return [
        "## Pictures in train and val",
        "",
        f"- colour modes: {', '.join(f'{mode} {count}' for mode, count in sorted(modes.items()))}",
        f"- turned upright by their EXIF flag: {sum(one.look.turned for one in seen)}",
        f"- repaired: {sum(one.repaired for one in seen)}",
        f"- written anew as PNG: {rewritten}; copied byte for byte: {len(seen) - rewritten}",
        f"- instances drawn: {sum(len(one.source.polygons or ()) for one in seen)}",
        f"- most frequent sizes: {', '.join(f'{w} x {h} ({count})' for (w, h), count in sizes)}",
        "",
    ]


def _duplicates(choice: Choice) -> list[str]:
    groups = Counter(one.group for one in choice.chosen)
    together = sum(count for count in groups.values() if count > 1)
    lines = [f"- pairs with {kind.value}: {count}" for kind, count in choice.pairs.items()]
    lines.append(f"- pictures that share a group with another one: {together}")
    return ["## Pictures that are the same (over all splits)", "", *lines, ""]


def _left_out(left_out: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"## Left out: {len(left_out)}", ""]
    for why, names in groupby(left_out, key=lambda one: one[0].split(" (")[0]):
        told = [name if " (" not in reason else f"{name} ({reason.split(' (', 1)[1]}" for reason, name in names]
        lines.append(f"- {why}: {len(told)}: {_names(told)}")
    return [*lines, ""]


def _remarks(archive: Archive, sealed: set[str]) -> list[str]:
    """Return the remarks; those on a test row are counted, not shown."""
    lines = ["## Remarks", ""]
    for what, told in archive.remarks.items():
        shown = [line for line in told if not any(name in line for name in sealed)]
        hidden = f" ({len(told) - len(shown)} of them sealed)" if len(shown) < len(told) else ""
        lines.append(f"- {what}: {len(told)}{hidden}" + (f": {_names(shown)}" if shown else ""))
    return lines if archive.remarks else []


def _names(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return "; ".join(names[:_MOST_NAMES]) + rest
