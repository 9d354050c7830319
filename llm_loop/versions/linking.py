"""What a checkout gets from outside: inputs of the repository as links, outputs led into the run's folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.system.folders import make_folder
from llm_loop.system.links import is_link, make_file_link, make_folder_link, remove_link
from llm_loop.versions.checkout import read_record, write_record
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import is_environment
from llm_loop.versions.scanning import Input, InputKind

BIG_INPUT_BYTES = 20_000_000
_ALWAYS = frozenset({InputKind.DATA, InputKind.LINK_FOLDER, InputKind.LINK, InputKind.BIG, InputKind.NATIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLink:
    """Hold one link: its path in the checkout with ``/``, where it leads, and why it is there."""

    path: str
    target: str
    kind: str


def wanted_inputs(repository: Path, found: Iterable[Input], keep_out: Iterable[Path]) -> list[Input]:
    """Return the inputs that a checkout gets: named ones, files that are no code, ignored ones above 20 MB."""
    apart = [Path(os.path.realpath(one)) for one in keep_out if not is_environment(one)]
    wanted = []
    for one in sorted(found, key=lambda one: one.path):
        real = Path(os.path.realpath(repository / one.path))
        if any(place == real or place.is_relative_to(real) or real.is_relative_to(place) for place in apart):
            continue
        if one.kind in _ALWAYS or _is_big(repository / one.path):
            wanted.append(one)
    return wanted


def link_inputs(checkout: Path, repository: Path, inputs: Iterable[Input]) -> tuple[PlacedLink, ...]:
    """Make a link for each input that the checkout does not have itself. Raises CodeRefused where none can be made."""
    made = []
    for one in inputs:
        link, target = checkout / one.path, Path(os.path.realpath(repository / one.path))
        if os.path.lexists(link) or not _has_real_parents(checkout, link.parent):
            continue
        _make(link, target, is_folder=one.is_folder)
        made.append(PlacedLink(path=one.path, target=str(target), kind=one.kind.value))
    return tuple(made)


def check_links_can_be_made(checkouts: Path) -> None:
    """Raise CodeRefused where no folder can be led elsewhere: outputs would stay in a checkout, and be lost with it."""
    probe = checkouts / f"link-probe-{uuid.uuid4().hex[:8]}"
    _make(probe, checkouts, is_folder=True)
    remove_link(probe)


def lead_outputs(place: Mapping[str, Any], run_folder: Path) -> None:
    """Lead the output folders of a placed checkout into ``run_folder``; to be called before each attempt.

    ``place`` is the JSON form of a Place. What the command names of the repository's own outputs stays in reach, as a
    link among the new ones. Raises CodeRefused, FileWriteError.
    """
    checkout = Path(place["checkout"])
    for name in place["outputs"]:
        link, target = checkout / name, run_folder / name
        try:
            make_folder(target)
            if os.path.lexists(link):
                if not is_link(link.lstat()):
                    raise CodeRefused(f"{name} in the checkout is no link: its outputs cannot be led into {run_folder}")
                remove_link(link)
        except OSError as error:
            raise CodeRefused(f"the output folder {name} cannot be led into {run_folder}: {error}") from error
        _make(link, target, is_folder=True)
    for known in place["known_outputs"]:
        link, target = run_folder / known["path"], Path(known["target"])
        if not os.path.lexists(link) and target.exists():
            _make(link, target, is_folder=target.is_dir())
    record = read_record(checkout.parent, checkout.name)
    if record is not None:
        write_record(checkout.parent, checkout.name, record | {"run_folder": str(run_folder)})


def _make(link: Path, target: Path, *, is_folder: bool) -> None:
    try:
        make_folder(link.parent)
        (make_folder_link if is_folder else make_file_link)(link, target)
    except (OSError, NotImplementedError) as error:
        what = "a link to a folder" if is_folder else "a link to a file"
        raise CodeRefused(
            f"{what} cannot be made here ({error}): a run in a checkout needs {target}, so code cannot be changed here"
        ) from error


def _has_real_parents(checkout: Path, folder: Path) -> bool:
    """Tell whether nothing above a new link leads out of the checkout."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(checkout))


def _is_big(path: Path) -> bool:
    """Tell whether a file, or all files of a folder together, have more than 20 MB."""
    total = 0
    waiting = [str(path)]
    while waiting and total <= BIG_INPUT_BYTES:
        try:
            if not os.path.isdir(waiting[-1]):  # noqa: PTH112
                total += os.path.getsize(waiting.pop())  # noqa: PTH202
                continue
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
                    if total > BIG_INPUT_BYTES:
                        break
        except OSError:
            continue
    return total > BIG_INPUT_BYTES
