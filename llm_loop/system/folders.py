"""Make folders, but none where a drive that was there is away: what is written there would be lost from sight."""

from __future__ import annotations

from pathlib import Path

_kept: set[Path] = set()


def never_make_anew(folder: Path) -> None:
    """Let this process make neither ``folder``, which is there, nor what lies above it: without it, its drive is away.

    Both ``folder`` and what is made in it are named in the same way, with the same links in their paths.
    """
    _kept.update((folder, *folder.parents))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; one that is there is fine. Raises OSError, also where its drive is away."""
    if folder in _kept:
        folder.stat()
        return
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:  # a letter of no drive
            raise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
