"""Make torchvision importable beside a CPU-only torch.

The package index's Linux torchvision is built for CUDA. Beside a CPU build of torch its compiled
part cannot load, so the operators ``nms`` and ``qnms`` are never declared, and its own Python code
then fails while it registers their shapes. Declaring the two *schemas* is enough for everything
but detection. An installation that imports by itself is left untouched.
"""

from __future__ import annotations

import sys
from typing import Any

_MISSING_OPERATOR = "torchvision::nms"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: Any = None  # the declarations live as long as this object
_answer: str | None = None


def ensure_torchvision() -> str:
    """Import torchvision; call it before timm, which imports torchvision itself.

    Returns "already" (somebody else imported it before), "native" (it imports by itself) or
    "schemas-only"; a second call gives the first answer. Raises what torchvision raises, when that
    is another trouble.
    """
    global _answer  # one process, one torchvision
    if _answer is None:
        _answer = "already" if "torchvision" in sys.modules else _import_torchvision()
    return _answer


def answer() -> str | None:
    """Return what ``ensure_torchvision`` said, or None when it was never needed."""
    return _answer


def _import_torchvision() -> str:
    try:
        import torchvision
    except RuntimeError as error:
        if _MISSING_OPERATOR not in str(error):
            raise
        _declare_schemas()
        import torchvision  # noqa: F401

        return "schemas-only"
    return "native"


def _declare_schemas() -> None:
    global _library  # kept alive on purpose
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _library.define(operator + _SCHEMA)
