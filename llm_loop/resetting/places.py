"""The places that a reset spares, wherever the configuration puts them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """Hold a place inside the loop's folder that stays, and what it is."""

    path: Path
    what: str


def spared_places(config: Config, config_path: Path, paths: WorkspacePaths) -> tuple[Spared, ...]:
    """Return what the configuration names inside ``.llm_loop``: it is none of the night's.

    Raises ConfigError when one of them is the loop's own folder, or that lies among the sealed test rows.
    """
    named = [
        (config.sealed_root, "sealed test rows"),
        (config.training_repo_root, "the training repository"),
        (config.data_source_root, "the data"),
        (config_path, "the configuration"),
        (config.command_policy, "the command policy"),
        (config.search_space, "the search space"),
        (config.mission_file, "a mission"),
        (config.worker_mission_file, "a mission"),
        (config.mentor_mission_file, "a mission"),
    ]
    if lies_in(paths.loop, config.sealed_root):
        raise ConfigError(f"sealed_root: {config.sealed_root} holds {paths.loop}; seal the test rows somewhere else")
    places = [Spared(path=path, what=what) for path, what in named if path is not None]
    inside = tuple(place for place in places if lies_in(place.path, paths.loop))
    if is_it := [place.what for place in inside if lies_in(paths.loop, place.path)]:
        raise ConfigError(f"{paths.loop} is {' and '.join(is_it)} too: what is the loop's own cannot be told from it")
    return inside


def lies_in(path: Path, folder: Path) -> bool:
    """Tell whether ``path`` is ``folder`` or lies in it, as both are written or as their links lead."""
    return any(one.is_relative_to(other) for one, other in zip(_forms(path), _forms(folder), strict=True))


def _forms(path: Path) -> tuple[Path, Path, Path]:
    """Return a path as it is written, with the links above it followed, and with its own one followed too."""
    written = Path(os.path.normpath(path))
    above = Path(os.path.realpath(written.parent)) / written.name
    return _cased(written), _cased(above), _cased(Path(os.path.realpath(path)))


def _cased(path: Path) -> Path:
    return Path(os.path.normcase(path))
