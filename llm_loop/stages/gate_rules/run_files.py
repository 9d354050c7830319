"""Judge the names and sizes of the files that a decision gives its run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_loop.contract.decision import Decision
from llm_loop.stages.gate_rules.fields import has_control_character
from llm_loop.stages.gate_rules.verdict import GateIssue

LARGEST_BYTES = 256 * 1024
MOST_FILES = 8
LONGEST_NAME_BYTES = 120

# What the keeper, the loop and a trainer write into the same folder.
TAKEN_NAMES = frozenset(
    "spec.json started.json stdout.txt stderr.txt exit.json exit.reserve exit.probe void.json keeper.lock keeper.log "
    "stop run.json result.json metrics.json metrics.jsonl resolved_config.yaml environment.json best_model.pt "
    "command.sh command.ps1 wrapper.ps1".split()
)
_RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)")


def judge_run_files(decision: Decision) -> Iterator[GateIssue]:
    """Yield what is wrong with the run files, their contents apart."""
    files = decision.run_files or ()
    if len(files) > MOST_FILES:
        yield GateIssue(code="too_many_run_files", message=f"{len(files)} run files", fix=f"give at most {MOST_FILES}")
    seen: set[str] = set()
    for file in files:
        reason = "it is given twice" if file.name.casefold() in seen else name_trouble(file.name)
        seen.add(file.name.casefold())
        if reason:
            yield GateIssue(
                code="run_file_name_invalid",
                message=f"run file {file.name[:80]!r}: {reason}",
                fix="use a plain file name such as config.yaml",
            )
        yield from _size_and_use(file.name, file.text, decision.command)


def _size_and_use(name: str, text: str, command: str) -> Iterator[GateIssue]:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > LARGEST_BYTES:
        yield GateIssue(
            code="run_file_too_large",
            message=f"run file {name[:80]!r} has {size // 1024:,} KiB; at most {LARGEST_BYTES // 1024} are allowed",
            fix="give only what differs from the training repository's own configs",
        )
    if name and name not in command:
        yield GateIssue(
            code="run_file_unused",
            message=f"the command does not name run file {name[:80]!r}",
            fix=f"name it {{run_dir}}/{name[:80]} in the command",
            blocking=False,
        )


def name_trouble(name: str) -> str:
    """Return why ``name`` cannot be a file in the run's folder on Linux and Windows, or ""."""
    if not name.strip() or name in (".", ".."):
        return "it is empty"
    if any(char in name for char in '/\\:<>"|?*') or "{run_dir}" in name:
        return "it must be a file name without a folder or special characters"
    if has_control_character(name) or "\n" in name or "\t" in name:
        return "it holds a control character"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a blank or ends with a dot"
    if _RESERVED.match(name.lower()):
        return "Windows keeps this name for a device"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME_BYTES:
        return f"it is longer than {LONGEST_NAME_BYTES} bytes"
    return "the loop or the trainer writes this file itself" if name.casefold() in TAKEN_NAMES else ""
