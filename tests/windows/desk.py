"""The desk, drive D of Windows: a copy of this checkout in a folder whose name holds a blank and an umlaut."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.windows.bench.build import DEBIAN, PYTHON
from tests.windows.bench.layout import Layout
from tests.windows.bench.problem import CannotHave
from tests.windows.bench.removal import remove

FOLDER = "Prüf stand/llm_loop"
INSIDE = f"/desk/{FOLDER}"
_ENVIRONMENTS = (".venv", ".venv-train", ".bootstrap.lock")
_MADE_FROM = ("constraints/loop.txt", "constraints/train.txt")


def lay_out(layout: Layout, checkout: Path, *, fresh: bool) -> Path:
    """Copy the checkout to the desk and return the copy's place; what a loop wrote there before is gone.

    The environments made there stay for the next run, unless ``fresh``, or what they are made from has changed.
    """
    target = layout.desk / FOLDER
    stamp = layout.desk / "made_from"
    made_from = _fingerprint(checkout)
    if fresh or not stamp.exists() or stamp.read_text(encoding="utf-8") != made_from:
        remove(target.parent)
    target.mkdir(parents=True, exist_ok=True)
    stamp.write_text(made_from, encoding="utf-8")
    for entry in target.iterdir():
        if entry.name in _ENVIRONMENTS:
            continue
        remove(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for name in checkout_files(checkout):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout / name, place)
    return target


def checkout_files(checkout: Path) -> list[str]:
    """Return the files of a checkout as git sees them: tracked ones, and new ones that it does not ignore."""
    argv = ["git", "-c", f"safe.directory={checkout}", "-C", str(checkout)]
    argv += ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise CannotHave(f"git does not know this checkout: {done.stderr.decode(errors='replace').strip()}")
    return sorted({name for name in os.fsdecode(done.stdout).split("\0") if name and (checkout / name).is_file()})


def _fingerprint(checkout: Path) -> str:
    digest = hashlib.sha256(f"{DEBIAN} {PYTHON}".encode())
    for name in _MADE_FROM:
        digest.update((checkout / name).read_bytes())
    return digest.hexdigest()
