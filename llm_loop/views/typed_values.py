"""Tell whether a value read from a file is what its annotation says, before a view counts with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_LARGEST = 2**63


def fits(value: Any, hint: Any) -> bool:
    """Tell whether ``value`` is of the annotated type, all the way down.

    It knows dataclasses, dicts, tuples, unions and plain types; numbers have to be finite and of 64 bits.
    """
    if hint is Any:  # whoever reads it checks it at its own door
        return True
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if kind in (int, float):
        return _is_number(value) and (kind is float or isinstance(value, int))
    if not isinstance(value, kind):
        return False
    if isinstance(kind, type) and is_dataclass(kind):
        return all(fits(getattr(value, name), one) for name, one in _fields(kind).items())
    if isinstance(value, Mapping) and inner:
        return all(fits(key, inner[0]) and fits(one, inner[1]) for key, one in value.items())
    if isinstance(value, tuple) and inner:
        hints = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        return len(value) == len(hints) and all(map(fits, value, hints))
    return True


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _LARGEST and math.isfinite(value)


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}  # without what is the class's own
