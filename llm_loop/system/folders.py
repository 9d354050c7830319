"""Make folders, but none where a drive that was there is away: what is written there would be lost from sight."""

from __future__ import annotations

from pathlib import Path

_kept: dict[Path, Path] = {}


def never_make_anew(folder: Path, known_by: Path | None = None) -> None:
    """Let this process make neither ``folder``, which is there, nor what lies above it: without it, its drive is away.

    ``known_by`` is a file that always lies in it: where a drive was mounted at ``folder`` itself, the bare folder stays
    behind. ``folder`` and what is made in it later are named in the same way, with the same links in their paths.
    """
    _kept.update((above, above) for above in folder.parents if above not in _kept)
    _kept[folder] = folder if known_by is None or not known_by.exists() else known_by


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; one that is there is fine. Raises OSError, also where its drive is away."""
    for kept in (folder, folder.parent):
        if kept in _kept:
            _kept[kept].stat()
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:  # a letter of no drive
            raise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
