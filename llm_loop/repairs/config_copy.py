"""Write a patched copy of a config file, its comments kept: ``python -X utf8 -m llm_loop.repairs.config_copy FOLDER``.

The child reads ``FOLDER/request.json``, ``{"source": path, "target": path, "changes": {dotted key: value}}``, and
writes the copy and ``FOLDER/answer.json``, ``{"path": the copy or null, "old": {dotted key: value or null}, "why": null
or a sentence}``. The source is never changed. Exit code 0 in both cases; 1, and a line on stderr, for a request that is
none or a disk that does not write.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import ContractError
from llm_loop.repairs.patched_text import ConfigNotPatched, patched_json, patched_yaml
from llm_loop.system import files
from llm_loop.system.job_child import answer_job

_MOST_BYTES = 200_000
_LONGEST_PART = 40


def copy_name(stamp: str, label: str, config: str, what: str) -> str:
    """Return the file name of a patched copy: ``<stamp>_<label>_<stem>_autofix_<what>.yaml``, safe everywhere."""
    name = config.replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending.lower()}" if dot and ending.lower() in ("yaml", "yml", "json") else ".yaml"
    return "_".join((*(_part(one) for one in (stamp, label, stem if dot else name)), "autofix", _part(what))) + suffix


def write_copy(source: Path, target: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Write the copy; return the values as they were, by dotted key, None for a key that is new.

    Raises ConfigNotPatched where the source cannot be read or patched, FileWriteError.
    """
    try:
        text = read_outside(source, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigNotPatched(f"{source}: cannot be read as a config file: {error}") from error
    patch = patched_json if source.suffix.lower() == ".json" else patched_yaml
    new, old = patch(text.replace("\r\n", "\n"), changes)
    files.replace_text(target, new)
    return old


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.repairs.config_copy", what="config copy", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    try:
        source, target, changes = Path(request["source"]), Path(request["target"]), dict(request["changes"])
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("the request", [f"{type(error).__name__}: {error}"]) from error
    if not changes or not source.is_absolute() or not target.is_absolute() or source == target:
        raise ContractError("the request", ["two absolute paths that differ and at least one change are needed"])
    try:
        return {"path": str(target), "old": write_copy(source, target, changes), "why": None}
    except ConfigNotPatched as refused:
        return {"path": None, "old": {}, "why": str(refused)}


def _part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")[:_LONGEST_PART].strip("-") or "x"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
