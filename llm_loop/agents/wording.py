"""How the built-in planner puts an experiment into words: label, category, changes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from llm_loop.agents.parameter import Parameter, ParameterType, Scalar
from llm_loop.agents.search_space import SearchSpace
from llm_loop.contract.decision import IdeaCategory

LABEL_PARTS = 3
LABEL_LENGTH = 48
_NOTEWORTHY = 0.01
_SHORT_NAMES = {
    "learning_rate": "lr",
    "weight_decay": "wd",
    "batch_size": "batch",
    "momentum": "mom",
    "label_smoothing": "smooth",
    "batch_norm_momentum": "bn-mom",
}
_UNITS = re.compile(r"_(degrees|pixels|seconds|percent|fraction|probability)$")


def changed(space: SearchSpace, params: Mapping[str, Scalar], reference: Mapping[str, Scalar]) -> list[Parameter]:
    """Return the parameters at which a proposal differs from a reference, the largest difference first.

    A parameter that only the proposal has comes last. Differences under a hundredth of the range
    are left out.
    """
    apart = space.distances(params, reference)
    named = [one for one in space.parameters if one.name in params]
    named = [one for one in named if apart[one.name] > _NOTEWORTHY or one.name not in reference]
    return sorted(named, key=lambda one: -apart[one.name])


def category(space: SearchSpace, params: Mapping[str, Scalar], reference: Mapping[str, Scalar]) -> IdeaCategory:
    """Return the strategy dimension in which a proposal moves furthest from a reference."""
    apart = space.distances(params, reference)
    moved: defaultdict[IdeaCategory, float] = defaultdict(float)
    for parameter in space.parameters:
        moved[parameter.category] += apart.get(parameter.name, 0.0)
    furthest = max(moved, key=lambda one: moved[one])
    return furthest if moved[furthest] > 0 else IdeaCategory.OTHER


def changes_text(
    space: SearchSpace, params: Mapping[str, Scalar], reference: Mapping[str, Scalar], most: int = 4
) -> str:
    """Write the largest changes as ``a 0.1 to 0.02, b 8 to 16, and 3 smaller ones``."""
    parameters = changed(space, params, reference)
    if not parameters:
        return "hardly anything"
    parts = [_change(parameter, params, reference) for parameter in parameters[:most]]
    rest = len(parameters) - most
    return ", ".join(parts) + (f", and {rest} smaller change{'s' if rest > 1 else ''}" if rest > 0 else "")


def run_label(
    space: SearchSpace, params: Mapping[str, Scalar], reference: Mapping[str, Scalar], used: Collection[str]
) -> str:
    """Return a short label that names the largest changes, such as ``sgd-lr0.12-width24``.

    It is not one of ``used``, and holds letters, digits, dots and hyphens only.
    """
    order = {parameter.name: place for place, parameter in enumerate(space.parameters)}
    largest = changed(space, params, reference)[:LABEL_PARTS]
    label = "same-as-best"
    for count in range(1, len(largest) + 1):
        named = sorted(largest[:count], key=lambda one: order[one.name])
        longer = _plain("-".join(_part(parameter, params[parameter.name]) for parameter in named))
        if longer and (count == 1 or len(longer) <= LABEL_LENGTH):
            label = longer
    return unused_label(label, used)


def unused_label(label: str, used: Collection[str]) -> str:
    """Return the label, with the lowest free number behind it where it is taken."""
    short = label[:LABEL_LENGTH].rstrip("-.")
    taken = {one.lower() for one in used}
    number, candidate = 2, short
    while candidate.lower() in taken:
        candidate = f"{short}-v{number}"
        number += 1
    return candidate


def same_label(label: str, wanted: str) -> bool:
    """Tell whether a run's label is the wanted one, perhaps with the suffix of one used before.

    A repeat with another seed has a label of its own.
    """
    suffix = label.removeprefix(wanted)
    return label.startswith(wanted) and (not suffix or (suffix[0] == "-" and not suffix.startswith("-seed")))


def number_text(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def _change(parameter: Parameter, params: Mapping[str, Scalar], reference: Mapping[str, Scalar]) -> str:
    new = _value_text(params[parameter.name])
    if parameter.name not in reference:
        return f"{parameter.name} {new}"
    return f"{parameter.name} {_value_text(reference[parameter.name])} to {new}"


def _value_text(value: Scalar) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return number_text(value) if isinstance(value, float) else str(value)


def _part(parameter: Parameter, value: Scalar) -> str:
    leaf = parameter.name.rsplit(".", 1)[-1]
    name = _SHORT_NAMES.get(leaf, _UNITS.sub("", leaf))
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    if parameter.type is ParameterType.CATEGORICAL and isinstance(value, str):
        return value if leaf in ("name", "type", "kind") else f"{name}-{value}"
    return f"{name}{f'{value:.2g}' if isinstance(value, float) else value}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower()
