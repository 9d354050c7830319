"""Say what a Python environment holds: ``python -I -X utf8 environment_child.py``.

Standard library only, for any Python from 3.8. Prints one line, marked, with a JSON object; ``environment.py`` says
what is in it. Nothing of the environment is imported.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from importlib import metadata

TYPE_CHECKING = False  # typing costs time to import
if TYPE_CHECKING:
    from typing import Any

MARK = "llm-loop-environment:"


def main() -> None:
    """Print what this Python's environment holds."""
    places = {name: os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib", "scripts")}
    answer = {
        "prefix": os.path.realpath(sys.prefix),
        "base_prefix": os.path.realpath(sys.base_prefix),
        **places,
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "packages": packages({places["purelib"], places["platlib"]}),
        "entries": {place: listed(place) for place in sorted(set(places.values()))},
        "externally_managed": sys.prefix == sys.base_prefix and externally_managed(),
        "bundled_pip": bundled_pip(),
    }
    sys.stdout.buffer.write(("\n" + MARK + json.dumps(answer) + "\n").encode("utf-8"))


def packages(own: set[str]) -> dict[str, dict[str, Any]]:
    """Return what is installed, the first of a name as an import finds it; ``own``: the folders that pip writes to."""
    found: dict[str, dict[str, Any]] = {}
    for one in metadata.distributions():
        about: Any = one.metadata
        name = about.get("Name") if about is not None else None
        if not name or not about.get("Version") or name in found:  # what a broken install left
            continue
        origin = one.read_text("direct_url.json")
        place = os.path.realpath(str(one.locate_file("")))
        found[name] = {"version": about.get("Version"), "origin": origin and json.loads(origin), "own": place in own}
    return found


def listed(folder: str) -> list[str]:
    """Return the names in a folder, without what Python caches there."""
    try:
        return sorted(name for name in os.listdir(folder) if name != "__pycache__")  # noqa: PTH208
    except OSError:
        return []


def externally_managed() -> bool:
    """Tell whether the operating system says that its package manager owns this environment (PEP 668)."""
    return os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))  # noqa: PTH110, PTH118


def bundled_pip() -> str | None:
    """Return the wheel of pip that came with this Python, or None."""
    folder = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")  # noqa: PTH118
    wheels = [name for name in listed(folder) if name.startswith("pip-") and name.endswith(".whl")]
    return os.path.join(folder, wheels[-1]) if wheels else None  # noqa: PTH118


if __name__ == "__main__":
    main()
