"""Names out of a text are data: what has not the form of a name is never used as one."""

from __future__ import annotations

import keyword
import re

_PART = r"[A-Za-z_][A-Za-z0-9_]{0,60}"
_MODULE = re.compile(rf"{_PART}(?:\.{_PART}){{0,8}}", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,119}", re.ASCII)


def usable_module(name: str) -> bool:
    """Tell whether ``name`` can be that of a Python module."""
    return _MODULE.fullmatch(name) is not None and not any(keyword.iskeyword(part) for part in name.split("."))


def usable_model(name: str) -> bool:
    """Tell whether ``name`` can be that of a model: one plain word, such as ``timm:resnet18``."""
    return _MODEL.fullmatch(name) is not None and ".." not in name and "//" not in name
