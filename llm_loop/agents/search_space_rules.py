"""What a search space file must hold to beyond its schema: ranges, choices, conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llm_loop.agents.parameter import ParameterType, same_scalar


def broken_rules(value: Mapping[str, Any]) -> list[str]:
    """Name what a schema cannot say."""
    broken = []
    if "{run_dir}/" + value["config_file"] not in value["command"].replace("\\", "/"):
        broken.append(f"command: does not name {{run_dir}}/{value['config_file']}, so no proposal would reach a run")
    earlier: dict[str, Mapping[str, Any]] = {}
    names = {entry["name"] for entry in value["parameters"]}
    for place, entry in enumerate(value["parameters"]):
        where = f"parameters.{place} ({entry['name']})"
        if entry["name"] in earlier:
            broken.append(f"{where}: the name is used twice")
        if entry["name"] == value["seed_key"]:
            broken.append(f"{where}: the training seed is no parameter; choosing among seeds is choosing luck")
        broken += [f"{where}: {text}" for text in _broken_range(entry)]
        broken += [f"{where}: {text}" for text in _broken_when(entry, earlier, names)]
        earlier[entry["name"]] = entry
    return broken


def _broken_range(entry: Mapping[str, Any]) -> list[str]:
    if entry["type"] == ParameterType.CATEGORICAL:
        return _broken_choices(entry)
    if "choices" in entry:
        return ["choices: only a categorical parameter has them"]
    if missing := [f"{key}: missing" for key in ("low", "high") if key not in entry]:
        return missing
    low, high = entry["low"], entry["high"]
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        return [f"low, high: {low} is not below {high}"]
    if entry["type"] == ParameterType.INT and not (float(low).is_integer() and float(high).is_integer()):
        return [f"low, high: an int parameter has whole limits, not {low} and {high}"]
    if entry.get("log", False) and low <= 0:
        return [f"log: needs a low above 0, not {low}"]
    return []


def _broken_choices(entry: Mapping[str, Any]) -> list[str]:
    choices = entry.get("choices", [])
    broken = [f"{key}: only a float or int parameter has it" for key in ("low", "high", "log") if key in entry]
    if not choices:
        broken.append("choices: missing")
    if any(same_scalar(one, other) for place, one in enumerate(choices) for other in choices[:place]):
        broken.append("choices: one is listed twice")
    return broken


def _broken_when(entry: Mapping[str, Any], earlier: Mapping[str, Mapping[str, Any]], names: set[str]) -> list[str]:
    broken = []
    for key, allowed in entry.get("when", {}).items():
        if key in names and key not in earlier:
            broken.append(f"when.{key}: must be listed before the parameter that depends on it")
        choices = earlier.get(key, {}).get("choices")
        if choices is not None:
            unknown = [one for one in allowed if not any(same_scalar(one, choice) for choice in choices)]
            broken += [f"when.{key}: {one!r} is none of its choices {choices}" for one in unknown]
    return broken


def number_hint(value: Any) -> str:
    """Explain the trap that YAML reads 1e-4 as text."""
    entries = value.get("parameters") if isinstance(value, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        for key in ("low", "high"):
            text = entry.get(key) if isinstance(entry, Mapping) else None
            if isinstance(text, str) and "e" in text.lower():
                return f" (YAML reads {text} as text: write it with a decimal point, such as 1.0e-4)"
    return ""
