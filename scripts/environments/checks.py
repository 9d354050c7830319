"""What is looked at before anything is made: room on the disk, the length of the path."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from environments.problem import SetupProblem

LONGEST_ROOT = 90


def need_room(folder: Path, wanted_gb: float) -> None:
    """Raise SetupProblem when the disk of `folder` has less than `wanted_gb` (10^9 bytes) free."""
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < wanted_gb:
        what = f"The disk of {folder} has {free_gb:.1f} GB free, the set-up needs about {wanted_gb:g} GB"
        raise SetupProblem(what, "Free some space and run the same command again")


def path_warning(root: Path, platform: str = sys.platform) -> str | None:
    """Return a warning where a long root makes paths inside torch too long for Windows, else None."""
    if platform != "win32" or len(str(root)) <= LONGEST_ROOT:
        return None
    return (
        f"Warning: this folder's path has {len(str(root))} characters. Above {LONGEST_ROOT}, files inside torch may "
        "pass the limit of Windows (260): move the checkout nearer to the drive's root, or allow long paths in Windows."
    )
