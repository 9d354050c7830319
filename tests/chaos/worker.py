"""A worker (or mentor) for bad nights: a new experiment at each call, notes and TODOs with it.

Where the training repository holds code, every second experiment changes it, so that its run has a checkout, and so
does what the mentor suggests instead.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

TRAINER = Path(__file__).with_name("trainer.py").as_posix()
WORDS = "warmup cosine mixup cutout dropout momentum schedule crop flip rotation batch width depth focal margin".split()


def changed(cycle: int, root: Path, by: str, value: float) -> dict[str, object]:
    """Return a decision that changes what the repository's training scores."""
    edit = {"path": "tiny/value.py", "new_text": f"VALUE = {value}\n", "old": None, "new": None}
    command = f'python train.py "{(root / "notes.txt").as_posix()}" 0.{3 + cycle % 5} --{by} {cycle}'
    return decision(cycle, root) | {"command": command, "run_label": f"{by}-{cycle}", "edits": [edit]}


def decision_of(cycle: int, root: Path) -> dict[str, object]:
    if not (root / "repo" / "train.py").exists() or cycle % 4 == 0:
        return decision(cycle, root)
    made = changed(cycle, root, "changed", round(0.9 - (cycle % 800) / 1000, 3))
    return made | {"edits": None, "run_label": f"as-it-is-{cycle}"} if cycle % 4 == 2 else made


def decision(cycle: int, root: Path) -> dict[str, object]:
    todo = f"Study {WORDS[cycle % len(WORDS)]} together with {WORDS[(cycle * 7 + 3) % len(WORDS)]} in round {cycle}"
    return {
        "schema_version": 1,
        "action": "run_command",
        "rationale": f"A bad night wants experiment number {cycle} to be run all the same.",
        "command": f'python "{TRAINER}" "{(root / "notes.txt").as_posix()}" 0.{3 + cycle % 5} 0.{900 - cycle % 800}',
        "run_label": f"bad-night-{cycle}",
        "idea_category": "optimization",
        "monitor_seconds": 60,
        "stop_patterns": [],
        "housekeeping": {
            "todo_new": [todo],
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


def review(cycle: int, root: Path) -> dict[str, object]:
    agreed = {
        "schema_version": 1,
        "recommendation": "continue",
        "critique": "on_track: go on",
        "questions": [],
        "mentor_notes": "",
        "todo_updates": [],
        "suggested_decision": None,
    }
    if not (root / "repo" / "train.py").exists() or cycle % 2:
        return agreed
    instead = changed(cycle, root, "suggested", round(0.95 - (cycle % 800) / 1000, 3))
    return agreed | {"recommendation": "challenge", "critique": "off_track: try this", "suggested_decision": instead}


def main() -> None:
    observation = json.load(sys.stdin)
    time.sleep(0.05)
    root = Path.cwd()
    with (root / "calls.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{observation['cycle_trace_id']} {observation['role']}\n")
    answer = decision_of if observation["role"] == "worker" else review
    print(json.dumps(answer(observation["cycle"], root)))


if __name__ == "__main__":
    main()
