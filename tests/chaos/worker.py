"""A worker (or mentor) for bad nights: a new experiment at each call, notes and TODOs with it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

TRAINER = Path(__file__).with_name("trainer.py").as_posix()
WORDS = "warmup cosine mixup cutout dropout momentum schedule crop flip rotation batch width depth focal margin".split()


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


def review() -> dict[str, object]:
    return {
        "schema_version": 1,
        "recommendation": "continue",
        "critique": "on_track: go on",
        "questions": [],
        "mentor_notes": "",
        "todo_updates": [],
        "suggested_decision": None,
    }


def main() -> None:
    observation = json.load(sys.stdin)
    time.sleep(0.05)
    root = Path.cwd()
    with (root / "calls.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{observation['cycle_trace_id']} {observation['role']}\n")
    print(json.dumps(decision(observation["cycle"], root) if observation["role"] == "worker" else review()))


if __name__ == "__main__":
    main()
