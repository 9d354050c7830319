"""What a real loop journals: refusals, unusable answers, a challenge, a replacement, runs that end in many ways."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import FAKES, REPOSITORY, command_line, make_workspace
from tests.loop_process import LoopProcess, script


@cache
def journal() -> tuple[dict[str, Any], ...]:
    """Run a loop of four cycles once for all tests and return its events."""
    with TemporaryDirectory() as folder:
        mentor = command_line(FAKES / "fake_worker.py")
        root = make_workspace(Path(folder) / "w", mentor_enabled=True, mentor_every_n_cycles=2, mentor_command=mentor)
        script(
            root,
            {"say": "no JSON at all"},
            {"train": "good 0.5", "housekeeping": _housekeeping("look at the shortest bright images first")},
            {"train": "fail 3"},
            {"run_label": "run", "train": "good 0.4"},
            {"train": "good 0.3"},
            {"action": "wait", "rationale": "There is nothing left to try for now."},
        )
        script(
            root,
            {
                "recommendation": "challenge",
                "critique": "off_track: the same again",
                "suggested_decision": {"train": "good 0.45"},
            },
            {"exit": 3},
            role="mentor",
        )
        return _events_of(root, cycles=4)


@cache
def journal_of_changed_code() -> tuple[dict[str, Any], ...]:
    """Run a loop of one cycle, whose run has a change of code and a configuration of its own, and return its events."""
    with TemporaryDirectory() as folder:
        root = make_workspace(Path(folder) / "w")
        (root / "repo" / "settings.txt").write_text("width 8\n", encoding="utf-8")
        changed = {"path": "settings.txt", "new_text": None, "old": "8", "new": "16"}
        added = {"path": "configs/wide.yaml", "new_text": "lr: 1\n", "old": None, "new": None}
        script(root, {"train": "good 0.4", "edits": [changed, added]})
        return _events_of(root, cycles=1)


def _events_of(root: Path, cycles: int) -> tuple[dict[str, Any], ...]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    environ |= {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    with LoopProcess(root, environ, "--cycles", str(cycles)) as loop:
        code, _, err = loop.finish()
    assert code == 0, err
    return tuple(loop.events())


def _housekeeping(todo: str) -> dict[str, Any]:
    return {"todo_new": [todo], "notes_update": "noted", "data_exploration_update": "", "resolve_shared_todo_ids": []}
