"""Give a person what a run ran: its code, its configuration, and a patch against their repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import FileWriteError
from llm_loop.system import files
from llm_loop.system.folders import make_folder
from llm_loop.versions.diffing import unified
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.store import FileEntry, Version, VersionStore
from llm_loop.versions.tree import Tree, make_equal

PATCH_FILE, RUN_FILE, CODE_FOLDER, CONFIG_FOLDER = "change.patch", "run.json", "code", "config"
_LARGEST_CONFIG = 5_000_000
_CONFIG_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".txt", ".py"})
_NO_CONFIG = frozenset({"spec.json", "started.json", "exit.json", "void.json", "run.json", "stdout.txt", "stderr.txt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Say what was given out: files of code, files in the patch, and whether it applies to the repository now."""

    folder: Path
    files: int
    patched: tuple[str, ...]
    applies: bool
    configs: tuple[str, ...]


def export(
    store: VersionStore,
    *,
    version_id: str,
    repository_version: str | None,
    repository: Path,
    rules: CodeRules,
    run: Mapping[str, Any],
    run_folder: Path | None,
    folder: Path,
) -> Exported:
    """Write code, configuration and patch into ``folder``, a new or empty one outside of the repository's code.

    ``run`` is written down as it is; ``run_folder`` is the last attempt's. Raises CodeRefused, FileWriteError.
    """
    version = store.read(version_id)
    begun = store.read(repository_version) if repository_version else version
    try:
        make_folder(folder)
        if any(folder.iterdir()):
            raise CodeRefused(f"{folder} is not empty: name a new folder")
    except OSError as error:
        raise FileWriteError(folder, "write into", error) from error
    now = store.take(repository, rules)
    make_equal(folder / CODE_FOLDER, version, store, {}, Tree())
    differing = differing_paths(begun, version)
    patch = patch_of(store, begun, version)
    files.replace_bytes(folder / PATCH_FILE, patch.encode("utf-8", "surrogateescape"))
    files.replace_json(folder / RUN_FILE, dict(run))
    return Exported(
        folder=folder,
        files=len(version.files),
        patched=tuple(differing),
        applies=all(now.files.get(path) == begun.files.get(path) for path in differing),
        configs=tuple(_configs(run, run_folder, folder / CONFIG_FOLDER)),
    )


def differing_paths(begun: Version, version: Version) -> list[str]:
    """Return the paths whose files are not the same in two versions."""
    both = {*begun.files, *version.files}
    return sorted(path for path in both if begun.files.get(path) != version.files.get(path))


def patch_of(store: VersionStore, begun: Version, version: Version) -> str:
    """Return the unified diff of every file that is not the same in two versions. Raises CodeRefused."""
    paths = differing_paths(begun, version)
    return "".join(_patch(store, path, begun.files.get(path), version.files.get(path)) for path in paths)


def _patch(store: VersionStore, path: str, old: FileEntry | None, new: FileEntry | None) -> str:
    before = None if old is None else store.content(old)
    after = None if new is None else store.content(new)
    return unified(path, before, after, old_mode=_mode(old), new_mode=_mode(new))


def _mode(entry: FileEntry | None) -> int:
    return 0o755 if entry is not None and entry.executable else 0o644


def _configs(run: Mapping[str, Any], run_folder: Path | None, target: Path) -> Iterator[str]:
    """Copy what the decision gave the run as files, and what the run says that it was configured by."""
    decision = run.get("decision")
    given = (decision.get("run_files") or ()) if isinstance(decision, dict) else ()
    for one in given:
        files.replace_text(target / Path(str(one["name"])).name, str(one["text"]))
        yield Path(str(one["name"])).name
    if run_folder is None or not run_folder.is_dir():
        return
    for place in sorted(run_folder.iterdir()):
        if place.suffix.lower() not in _CONFIG_SUFFIXES or place.name in _NO_CONFIG or (target / place.name).exists():
            continue
        try:
            data = read_outside(place, _LARGEST_CONFIG)
        except OSError:
            continue
        files.replace_bytes(target / place.name, data)
        yield place.name
