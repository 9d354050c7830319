"""A slice of what a run printed: ``read_run_log``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.mcp_tools.answer import clipped, data, fitting, printable
from llm_loop.mcp_tools.confined import Confined
from llm_loop.mcp_tools.line_slices import Slice, from_line, tail
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources

_RUN_ID = re.compile(r"R\d{4,12}")
_ATTEMPT = re.compile(r"attempt-(\d{1,5})")
_SPEC_BYTES = 4_000_000


def read_run_log(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return the last lines of a run's log, or those from a line on. Raises Refused, OSError."""
    run_id = arguments["run_id"].strip().upper()
    if not _RUN_ID.fullmatch(run_id):
        raise Refused(f"{arguments['run_id'][:40]!r} is no run id, such as R0012.")
    attempts = _attempts(sources.paths, run_id)
    number = arguments.get("attempt", max(attempts, default=0))
    if number not in attempts:
        known = ", ".join(map(str, sorted(attempts))) or "none"
        raise Refused(f"{run_id}: no such attempt was launched; there are: {known}.")
    stream = arguments.get("stream", "stdout")
    name = _log_name(sources.paths, run_id, number, stream)
    count = arguments.get("lines", 200)
    logs = Confined(sources.paths.logs, sources.keep_out)
    with logs.open(name) as opened:
        first = arguments.get("first_line")
        part = tail(opened, count) if first is None else from_line(opened, first, count)
    return _answer(part, f"{run_id} attempt {number} {stream}", from_end=first is None)


def _answer(part: Slice, name: str, *, from_end: bool) -> str:
    total = "too many lines to be counted" if part.total is None else f"{part.total:,} lines"
    if not part.lines:
        return f"{name}: no line there; it has {total}."
    lines = [clipped(printable(line.decode("utf-8", "replace"))) for line in part.lines]
    lines = _within(lines, from_end=from_end)
    first = part.first
    if first is not None and from_end:
        first += len(part.lines) - len(lines)
    place = "the last lines" if first is None else f"lines {first:,} to {first + len(lines) - 1:,}"
    return data(f"{name}: {place}; it has {total}.", "\n".join(lines), "what a program printed")


def _within(lines: list[str], *, from_end: bool) -> list[str]:
    """Return as many lines as an answer holds, from its end or its beginning."""
    ordered = lines[::-1] if from_end else lines
    kept = ordered[: fitting(ordered)]
    return kept[::-1] if from_end else kept


def _attempts(paths: WorkspacePaths, run_id: str) -> set[int]:
    try:
        names = [entry.name for entry in paths.run(run_id).iterdir()]
    except OSError as error:
        raise Refused(f"{run_id}: no such run was launched.") from error
    return {int(match[1]) for name in names if (match := _ATTEMPT.fullmatch(name))}


def _log_name(paths: WorkspacePaths, run_id: str, attempt: int, stream: str) -> str:
    """Return the log's name. The spec lies where the run could write, so no more than a name is taken from it."""
    try:
        spec = json.loads(read_outside(paths.attempt(run_id, attempt) / "spec.json", _SPEC_BYTES))
        name = re.split(r"[\\/]", spec[stream])[-1]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{run_id} attempt {attempt}: its log is not known.") from error
    if not name.endswith(f".{stream}.log"):
        raise Refused(f"{run_id} attempt {attempt}: its log is not known.")
    return name
