"""Number what tells pictures apart without showing a finding: for the search for shortcuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from llm_loop.trainer.prepare.pictures import Look
from llm_loop.trainer.prepare.shortcuts import Shortcut, judge


def find_shortcuts(looks: Sequence[Look], labels: Sequence[str], flags: Sequence[Mapping[str, str]]) -> list[Shortcut]:
    """Return the verdict on each feature, the strongest first; ``flags`` hold what a table says of each picture."""
    features: dict[str, list[float]] = {
        "file size": [look.file_bytes for look in looks],
        "bytes a pixel": [look.file_bytes / (look.width * look.height) for look in looks],
        "width": [look.width for look in looks],
        "height": [look.height for look in looks],
        "area": [look.width * look.height for look in looks],
        "proportions": [look.width / look.height for look in looks],
        "mean grey": [look.mean for look in looks],
        "brightness of the corners": [look.corners for look in looks],
        "share of flat grey rows at the bottom": [look.grey_rows / look.height for look in looks],
        "flat grey rows at the bottom, any": [float(look.grey_rows > 0) for look in looks],
        "stored in colour": [float(look.mode not in ("L", "1")) for look in looks],
    }
    for flag in sorted({flag for one in flags for flag in one}):
        features[f"flag {flag}"] = [_number(one.get(flag, "0")) for one in flags]
    verdicts = (judge(name, np.array(values, dtype=np.float64), labels) for name, values in features.items())
    return sorted((one for one in verdicts if one), key=lambda one: (-one.flagged, -one.auc, one.feature))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0
