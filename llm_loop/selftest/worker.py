"""The worker and mentor of a self-test: a new experiment at each call. Standard library only; started by path.

The file ``wanted.txt`` of the workspace says how trainings shall behave: ``mixed``, or ``stubborn``. Each call is
noted in ``calls.txt``.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TRAINER = Path(__file__).resolve().with_name("trainer.py")
_WORDS = "warmup cosine mixup cutout dropout momentum schedule crop flip rotation batch width depth focal".split()


def main() -> None:
    """Answer one call: the observation comes on standard input, the decision or review goes to standard output."""
    observation = json.load(sys.stdin)
    root = Path.cwd()
    note_call(root, observation)
    answer = decision(observation["cycle"], root) if observation["role"] == "worker" else review()
    print(json.dumps(answer))


def note_call(root: Path, observation: Mapping[str, Any]) -> None:
    """Note that a call was made."""
    with (root / "calls.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{observation['cycle_trace_id']} {observation['role']}\n")


def decision(cycle: int, root: Path) -> dict[str, Any]:
    """Return the experiment of a cycle."""
    wanted = (root / "wanted.txt").read_text(encoding="utf-8").strip()
    mode = "stubborn" if wanted == "stubborn" else "family" if cycle % 3 == 0 else "plain"
    words = [_python(), str(_TRAINER), mode, seconds_of(cycle), f"0.{900 - cycle % 800}"]
    return {
        "schema_version": 1,
        "action": "run_command",
        "rationale": f"The self-test wants its experiment number {cycle}, and it shall train in the way {mode}.",
        "command": _joined(words),
        "run_label": f"selftest-{mode}-{cycle}",
        "idea_category": "optimization",
        "monitor_seconds": 60,
        "stop_patterns": [],
        "housekeeping": {
            "todo_new": [f"Study {_WORDS[cycle % 14]} with {_WORDS[(cycle * 5 + 3) % 14]} in round {cycle}"],
            "notes_update": f"note of cycle {cycle}",
            "data_exploration_update": "",
            "resolve_shared_todo_ids": [],
        },
        "working_folder": ".",
        "builds_on": [],
        "target_run_id": None,
        "run_files": [{"name": "own.yaml", "text": f"number: {cycle}\n"}],
        "edits": None,
        "install_packages": None,
    }


def seconds_of(cycle: int) -> str:
    """Return how long a training takes: mostly half a second, every sixth time long enough to outlive a restart."""
    return "2.5" if cycle % 6 == 1 else f"0.{3 + cycle % 5}"


def _python() -> str:
    """Return the name of this interpreter, which is looked for in its own folder first."""
    return Path(sys.executable).name


def _joined(words: list[str]) -> str:
    """Write a command line for a reader of this system's shell."""
    if os.name != "nt":
        return shlex.join(words)
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def review() -> dict[str, Any]:
    """Return the mentor's consent."""
    return {
        "schema_version": 1,
        "recommendation": "continue",
        "critique": "on_track: go on",
        "questions": [],
        "mentor_notes": "",
        "todo_updates": [],
        "suggested_decision": None,
    }


if __name__ == "__main__":
    main()
