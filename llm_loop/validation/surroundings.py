"""The checks ``data`` and ``room``: what a run needs around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.outside_file import read_outside
from llm_loop.system.files import free_bytes
from llm_loop.system.links import is_link
from llm_loop.system.memory import host_memory
from llm_loop.validation.request import CheckRequest
from llm_loop.validation.start import Start
from llm_loop.validation.verdict import PASSED, Verdict, failed, skipped, unknown

_LINK = "data"
_GIVES_IT = re.compile(r"(?:^|[\s='\"(:,])(?:\.[/\\])?data(?:[/\\'\"]|$)", re.MULTILINE)
_SPELLS_IT = re.compile(r"['\"](?:\.[/\\]{1,2})?data[/\\]")
_MOST_BYTES = 500_000
_MB = 1_000_000


def check_data(request: CheckRequest, start: Start | None, settings: Mapping[str, Any] | None) -> Verdict:
    """Look whether the data is there; ``settings`` are those of the reference trainer, None for another program."""
    if settings is not None and start is not None:
        return _data_of_trainer(settings, start)
    link = request.cwd / _LINK
    try:
        if not is_link(link.lstat()):
            return PASSED if link.is_dir() else skipped("the working folder has no folder data")
        if link.exists():
            return PASSED
    except FileNotFoundError:
        return skipped("the working folder has no folder data")
    except OSError as error:
        return unknown(f"{link} cannot be looked at: {error.strerror or error}")
    why = f"{link} leads to {_target(link)}, which is not there"
    if start is not None and _names_it(start):
        return failed(Cause.DATA, why, f"[Errno 2] No such file or directory: '{link}'")
    return unknown(f"{why}; whether the run needs it is not plain to see")


def check_room(request: CheckRequest) -> Verdict:
    """Look whether disk and memory are enough. Memory that is only taken now may be free when the run starts."""
    try:
        free = free_bytes(request.workspace)
    except OSError as error:
        return unknown(f"the free space at {request.workspace} cannot be told: {error.strerror or error}")
    if free < request.min_free_disk_mb * _MB:
        why = f"only {free // _MB} MB are free at {request.workspace}; {request.min_free_disk_mb:g} are wanted"
        return failed(Cause.DISK_FULL, why)
    memory, wanted = host_memory(), request.memory_bytes
    if memory is None or wanted is None:
        return PASSED
    if wanted > memory.total_bytes:
        why = f"the run is expected to take {wanted // _MB} MB of memory; this machine has {memory.total_bytes // _MB}"
        return failed(Cause.HOST_OUT_OF_MEMORY, why)
    if wanted > memory.available_bytes:
        free_now = memory.available_bytes // _MB
        return unknown(f"the run is expected to take {wanted // _MB} MB of memory; only {free_now} are free now")
    return PASSED


def _data_of_trainer(settings: Mapping[str, Any], start: Start) -> Verdict:
    data = settings.get("data")
    root = data.get("root") if isinstance(data, dict) and data.get("source") == "image_folder" else None
    if not isinstance(root, str):
        return skipped("the training reads no folder of images")
    folder = start.folder / root
    try:
        if folder.is_dir():
            return PASSED
    except (OSError, ValueError) as error:
        return unknown(f"data.root {root[:100]} cannot be looked at: {error}")
    line = f"{root}: cannot be read as a folder: No such file or directory"
    return failed(Cause.DATA, f"data.root {root} is no folder in {start.folder}", line, key="data.root")


def _names_it(start: Start) -> bool:
    """Tell whether the command or its config file gives a path in ``data``, or its script spells one out."""
    given = [*start.words, _text(start, start.config())]
    script = _text(start, None if start.python is None else start.python.script)
    return any(_GIVES_IT.search(text) for text in given) or _SPELLS_IT.search(script) is not None


def _text(start: Start, named: str | None) -> str:
    try:
        return "" if named is None else read_outside(start.folder / named, _MOST_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return "somewhere"
