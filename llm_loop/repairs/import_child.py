"""Import modules and say what came of it: ``python -I -X utf8 import_child.py MODULE...``.

Standard library only, for any Python from 3.8. Prints one line, marked: ``{"failed": module or null, "why": text}``.
"""

from __future__ import annotations

import importlib
import json
import sys

MARK = "llm-loop-import:"


def main() -> None:
    """Import each module named on the command line, until one fails."""
    failed: str | None = None
    why: str | None = None
    for name in sys.argv[1:]:
        try:
            import_one(name)
        except BaseException as error:  # noqa: BLE001 - somebody else's code may even exit
            failed, why = name, type(error).__name__ + ": " + " ".join(str(error).split())[:500]
            break
    sys.stdout.buffer.write(("\n" + MARK + json.dumps({"failed": failed, "why": why}) + "\n").encode("utf-8"))


def import_one(name: str) -> None:
    """Import a module, as the reference trainer does where torchvision is built for CUDA and torch is not."""
    try:
        importlib.import_module(name)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        guard = importlib.import_module("llm_loop.trainer.torchvision_guard")
        guard.ensure_torchvision()
        importlib.import_module(name)


if __name__ == "__main__":
    main()
