"""The flat configuration of a run: of the files that its decision carries, which may hold anything."""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from typing import Any

import yaml

from llm_loop.contract.run import Run
from llm_loop.contract.yaml_bombs import is_bomb

MOST_PARAMS = 500
MOST_PARAMS_CHARACTERS = 20_000  # about 0.1 s of YAML


def params_of_run(run: Run) -> dict[str, Any] | None:
    """Return the flat configuration that a decision carries as a run file, with what was mended in it.

    None when it carries none.
    """
    for file in run.decision["run_files"] or []:
        if file["name"].endswith((".yaml", ".yml", ".json")) and (params := params_in(file["text"])):
            changes = (done.mend.changes for done in run.procedure.mends if done.ok)
            return reduce(lambda before, change: {**before, **change}, changes, dict(params))
    return None


@lru_cache(maxsize=32)
def params_in(text: str) -> dict[str, Any]:
    """Return what a config file holds, flat; {} for one that is none, or too big, or too folded, to be looked into."""
    if len(text) > MOST_PARAMS_CHARACTERS or is_bomb(text):
        return {}
    try:
        return flatten(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date such as 2001-99-99
        return {}


def flatten(value: Any) -> dict[str, Any]:
    """Return nested mappings as one: dotted key to a plain value; lists and numbers that are not finite are left out.

    Raises ValueError beyond 500 keys: a few aliases of YAML can stand for millions.
    """
    flat: dict[str, Any] = {}
    open_mappings = [("", value)] if isinstance(value, dict) else []
    seen = 0
    while open_mappings:
        prefix, mapping = open_mappings.pop()
        for key, entry in mapping.items():
            if (seen := seen + 1) > MOST_PARAMS:
                raise ValueError(f"more than {MOST_PARAMS} keys")
            if isinstance(entry, dict):
                open_mappings.append((f"{prefix}{key}.", entry))
            elif _is_plain(entry):
                flat[f"{prefix}{key}"] = entry
    return flat


def _is_plain(value: Any) -> bool:
    """Tell whether JSON and a float can hold a value."""
    if isinstance(value, str) or value is None:
        return True
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False
