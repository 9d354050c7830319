"""The packages that the loop's repairs may install, from the maps of a configuration, to be there before the night."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from environments.problem import SetupProblem

MAPS = ("auto_repair_module_package_map", "auto_repair_module_alias_map", "auto_repair_model_package_map")
SCHEMA = Path("llm_loop/contract/config.schema.json")
_VERSIONS = r"[<>=!~]{1,3}[\w.*+!-]+"
_REQUIREMENT = re.compile(rf"[A-Za-z0-9][\w.-]*(?:\[[\w.,-]+\])?(?:{_VERSIONS}(?:,{_VERSIONS})*)?", re.ASCII)


def repair_packages(root: Path, config: Path) -> list[str]:
    """Return the packages of all maps by name, each once: those of the file `config` over the shipped ones.

    `root` is the checkout, whose schema holds the shipped ones; a missing `config` changes nothing. Raises SetupProblem
    for a map that pip cannot be given.
    """
    shipped = _object(root / SCHEMA)["properties"]
    own = _object(config) if config.exists() else {}
    found: dict[str, str] = {}
    for name in MAPS:
        given = own.get(name, {})
        if not isinstance(given, dict):
            raise _problem(config, name, given)
        lowered = {key.lower(): value for key, value in given.items() if value}
        for value in {**shipped[name]["default"], **lowered}.values():
            for text in _texts(config, name, value):
                found.setdefault(re.sub(r"[-_.]+", "-", text).lower(), text)
    return [found[key] for key in sorted(found)]


def _texts(config: Path, name: str, value: Any) -> list[str]:
    texts = value.split() if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and _REQUIREMENT.fullmatch(text) for text in texts):
        raise _problem(config, name, value)
    return texts


def _object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise SetupProblem(f"{file} is not JSON ({error})", "Mend it, or leave out the packages of repairs") from error
    if not isinstance(value, dict):
        raise SetupProblem(f"{file} holds no JSON object", "Mend it, or leave out the packages of repairs")
    return value


def _problem(config: Path, name: str, value: Any) -> SetupProblem:
    what = f"{config}: {name} names no packages in {str(value)[:80]!r}"
    return SetupProblem(what, "Write names as in a requirements file, such as timm or timm>=1.0")
