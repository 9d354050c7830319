"""Judge whether a decision changes the loop itself: that is not among the actions of a decision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from llm_loop.contract.decision import Decision
from llm_loop.stages.gate_rules.verdict import GateContext, GateIssue

PACKAGE = Path(__file__).resolve().parents[2]
"""Where this package lies."""


def judge_own_code(decision: Decision, context: GateContext) -> Iterator[GateIssue]:
    """Yield an issue for each edit of the loop's code, its policy and missions, or its memory."""
    root, workspace = (Path(os.path.realpath(one)) for one in (context.training_repo_root, context.workspace))
    own = [PACKAGE, workspace / ".llm_loop", workspace / "config"]
    own += [workspace / name for name in ("WORKER_MISSION.md", "MENTOR_MISSION.md")]
    theirs = [place for place in own if not root.is_relative_to(place)]  # a repository may lie in such a folder
    for edit in decision.edits or ():
        named = Path(os.path.normpath(root / edit.path.replace("\\", "/").replace("\0", "")))
        if any(_is_in(named, place) for place in theirs) and not _is_of_repository(named, root, workspace):
            yield GateIssue(
                code="own_code",
                message=f"{edit.path[:80]!r} is of the loop itself: a decision cannot change the loop's own code yet",
                fix="change files of the training repository alone",
            )


def _is_of_repository(named: Path, root: Path, workspace: Path) -> bool:
    """Tell whether a file is the training repository's own, although the workspace is the same folder."""
    return root == workspace and _is_in(named, root / "config") and _plain(named.name) not in _OURS


def _is_in(path: Path, place: Path) -> bool:
    """Tell whether a path leads into a place on any system: some take other cases, dots and streams for the same."""
    wanted = [_plain(part) for part in place.parts]
    return [_plain(part) for part in path.parts][: len(wanted)] == wanted


def _plain(part: str) -> str:
    name = part if part.endswith(":\\") else part.partition(":")[0]  # a drive; else a stream of a file
    return name.rstrip(" .").casefold()


_OURS = frozenset({"daemon_config.json", "command_policy.yaml"})
