"""The search space: which parameters the built-in planner may vary, and how a proposal becomes a config."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.agents.parameter import Parameter, ParameterType, Scalar, is_number, same_scalar
from llm_loop.agents.search_space_rules import broken_rules, number_hint
from llm_loop.contract import schemas
from llm_loop.contract.decision import IdeaCategory
from llm_loop.errors import ConfigError

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """Hold a checked search space and the base configuration that proposals are laid over.

    ``fixed`` is the base configuration with flat dotted keys, ``budget_key`` the one that holds the number of epochs.
    """

    base_config: str
    config_file: str
    command: str
    working_folder: str
    seed_key: str | None
    parameters: tuple[Parameter, ...]
    base: Mapping[str, Any]
    fixed: Mapping[str, Any]
    budget_key: str | None = None

    def counts(self, parameter: Parameter, chosen: Mapping[str, Any]) -> bool:
        """Tell whether the parameter's ``when`` holds among the values chosen so far and the base."""
        return all(
            any(same_scalar(self._value_of(key, chosen), one) for one in allowed)
            for key, allowed in parameter.when.items()
        )

    def _value_of(self, key: str, chosen: Mapping[str, Any]) -> Any:
        if key in chosen or any(parameter.name == key for parameter in self.parameters):
            return chosen.get(key, _ABSENT)
        return self.fixed.get(key, _ABSENT)

    def project(self, config: Mapping[str, Any]) -> dict[str, Scalar] | None:
        """Return the counting parameters of a flat configuration, or None when it lies outside.

        Outside means that a parameter which counts is missing or out of range. Keys that are no
        parameters are ignored. A number at which the base configuration itself lies out of range, such
        as a weight decay of 0 on a logarithmic scale, counts as the nearest end.
        """
        chosen: dict[str, Scalar] = {}
        for parameter in self.parameters:
            if self.counts(parameter, chosen):
                value = config.get(parameter.name, _ABSENT)
                if parameter.accepts(value):
                    chosen[parameter.name] = parameter.normalised(value)
                elif (
                    parameter.type is not ParameterType.CATEGORICAL
                    and is_number(value)
                    and same_scalar(value, self.fixed.get(parameter.name, _ABSENT))
                ):
                    chosen[parameter.name] = parameter.rounded(value)
                else:
                    return None
        return chosen

    def distances(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
        """Return how far two proposals lie apart, 0..1 for each parameter that counts in either.

        Numbers differ by their place in the range, choices by 0 or 1; a parameter that counts in
        only one of the two adds nothing to the difference of its parent.
        """
        apart: dict[str, float] = {}
        for parameter in self.parameters:
            name = parameter.name
            if name in one and name in other:
                gap = abs(parameter.to_unit(one[name]) - parameter.to_unit(other[name]))
                choice = parameter.type is ParameterType.CATEGORICAL
                apart[name] = float(gap > 0) if choice else gap
            elif name in one or name in other:
                apart[name] = 0.0
        return apart

    def trial_config(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the base configuration, nested, with the dotted ``changes`` laid over it."""
        config = copy.deepcopy(dict(self.base))
        for key, value in changes.items():
            *folders, leaf = key.split(".")
            place = config
            for folder in folders:
                if not isinstance(place.get(folder), dict):
                    place[folder] = {}
                place = place[folder]
            place[leaf] = value
        return config


def flat_config(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration with flat dotted keys; lists stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(flat_config(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def parse_search_space(
    value: Any, base: Mapping[str, Any] | None = None, subject: str = "the search space file"
) -> SearchSpace:
    """Check a parsed search space file and build the space over the parsed base configuration.

    Raises ConfigError naming ``subject`` and each key that is wrong.
    """
    broken = schemas.violations("search_space", value) or broken_rules(value)
    if broken:
        hint = number_hint(value)
        raise ConfigError(f"{subject}: {'; '.join(broken)}{hint}")
    nested = dict(base or {})
    return SearchSpace(
        base_config=value["base_config"],
        config_file=value["config_file"],
        command=value["command"],
        working_folder=value["working_folder"],
        seed_key=value["seed_key"],
        parameters=tuple(_parameter(entry) for entry in value["parameters"]),
        base=nested,
        fixed=flat_config(nested),
        budget_key=value.get("budget_key"),
    )


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=entry["name"],
        type=ParameterType(entry["type"]),
        category=IdeaCategory(entry["category"]),
        low=entry.get("low", 0.0),
        high=entry.get("high", 0.0),
        log=entry.get("log", False),
        choices=tuple(entry.get("choices", ())),
        when={key: tuple(allowed) for key, allowed in entry.get("when", {}).items()},
    )
