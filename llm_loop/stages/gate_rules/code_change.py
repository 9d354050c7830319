"""Judge what a decision changes of the code, by the same policy and seal as its command.

A user's own file may hold what the policy refuses, such as an evaluation of the test split. So a changed
file is judged twice, as it was and as it is, and only what the change brought in is held against it. What is judged
is what the version store holds, by its hash: the run's checkout is made equal to that, whatever lies there meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import ChangeKind, CodeChange
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.stages.gate_rules.forbidden import forbidden_in
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.unfolded import judge_unfolded
from llm_loop.stages.gate_rules.unfolding import Unfolder
from llm_loop.stages.gate_rules.verdict import GateContext, GateIssue
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.store import VersionStore

MOST_FILES = 40
LARGEST_FILE_BYTES = 200_000
LARGEST_CHANGE_BYTES = 600_000


def judge_code_change(change: CodeChange, context: GateContext, places: Places) -> Iterator[GateIssue]:
    """Yield what is wrong with a change; reads the changed files in the version store and in the repository."""
    if context.isolation is CodeIsolation.IN_PLACE and not change.is_empty:
        yield GateIssue(
            code="edits_refused_in_place",
            message="code_isolation is in_place: runs run in the training repository, which the loop never changes",
            fix="leave the code as it is; give a new configuration as run_files",
        )
    for refusal in change.refusals[:MOST_FILES]:
        yield GateIssue(
            code="edit_refused", message=refusal, fix="change files of the training repository alone, as text"
        )
    if len(change.files) > MOST_FILES:
        yield GateIssue(
            code="change_too_large",
            message=f"the change touches {len(change.files)} files; at most {MOST_FILES} are judged",
            fix="make one change a run, in few files",
        )
        return
    if context.checkout is None or change.refusals:
        return
    try:
        texts = dict(_texts(change, VersionStore(WorkspacePaths(context.workspace).versions)))
    except (CodeRefused, OSError) as refused:
        yield GateIssue(code="edit_refused", message=f"the change cannot be judged: {refused}", fix="make it again")
        return
    if unread := [name for name, text in texts.items() if text is None]:
        yield GateIssue(
            code="edit_refused",
            message=f"{unread[0]!r} cannot be judged: it is no plain file of at most {LARGEST_FILE_BYTES:,} bytes",
            fix="change small text files alone",
        )
        return
    yield from _judge_texts({name: text for name, text in texts.items() if text is not None}, context, places)


def _judge_texts(texts: dict[str, str], context: GateContext, places: Places) -> Iterator[GateIssue]:
    if sum(len(text) for text in texts.values()) > LARGEST_CHANGE_BYTES:
        yield GateIssue(
            code="change_too_large",
            message=f"the changed files hold more than {LARGEST_CHANGE_BYTES // 1000} kB",
            fix="make one change a run, in few files; a configuration goes into run_files",
        )
        return
    for name, text in texts.items():
        before = set(_issues(name, _read(context.training_repo_root / name) or "", context, places))
        yield from (issue for issue in _issues(name, text, context, places) if issue not in before)


def _texts(change: CodeChange, store: VersionStore) -> Iterator[tuple[str, str | None]]:
    """Yield each new text, None for a file too large to be code. Raises CodeRefused."""
    entries = store.read(change.version).files if change.files else {}
    for file in change.files:
        if file.kind is ChangeKind.REMOVED:
            continue
        entry = entries.get(file.path)
        known = entry is not None and entry.size <= LARGEST_FILE_BYTES
        yield file.path, store.content(entry).decode("utf-8", "replace") if entry is not None and known else None
    yield from (change.config_files or {}).items()


def _issues(name: str, text: str, context: GateContext, places: Places) -> Iterator[GateIssue]:
    if not text:
        return
    unfolder = Unfolder(context.policy, places, places.start)
    unfolder.content(name, text)
    yield from judge_unfolded(unfolder, context.policy, places)
    yield from forbidden_in([(f"{name} of the change", text)], context.forbidden_approaches)


def _read(path: Path) -> str | None:
    """Return a file's text; None for one that is missing, no plain file, or too large to be code."""
    try:
        return read_outside(path, LARGEST_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
