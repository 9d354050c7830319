"""A worker (or mentor) that reads its lines from ``script.json`` beside its workspace's configuration.

``config/script.json`` is a list; call number N (counted in ``config/calls.txt``) answers with entry N, the
last one for ever after. An entry is a decision or review as JSON (missing fields are filled in), or one of
``{"say": TEXT}`` (print it as it is), ``{"exit": CODE}``, ``{"hang": true}``. ``"takes_s"`` in any of them is how long
the answer takes, in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

TRAINER = Path(__file__).with_name("fake_trainer.py").as_posix()
DECISION = {
    "schema_version": 1,
    "action": "run_command",
    "rationale": "A scripted test decision with a reason.",
    "command": "",
    "run_label": "",
    "idea_category": "optimization",
    "monitor_seconds": 60,
    "stop_patterns": [],
    "housekeeping": {"todo_new": [], "notes_update": "", "data_exploration_update": "", "resolve_shared_todo_ids": []},
    "working_folder": ".",
    "builds_on": [],
    "target_run_id": None,
    "run_files": None,
    "edits": None,
    "install_packages": None,
}


def filled(entry: dict, number: int) -> dict:
    if "recommendation" in entry:
        base = {
            "schema_version": 1,
            "critique": "on_track: fine",
            "questions": [],
            "mentor_notes": "",
            "todo_updates": [],
            "suggested_decision": None,
        }
        suggested = entry.get("suggested_decision")
        return base | entry | {"suggested_decision": None if suggested is None else filled(suggested, number)}
    decision = DECISION | entry
    if decision["action"] == "run_command":
        mode = decision.pop("train", None)
        if mode is not None:
            decision["command"] = f'python "{TRAINER}" {mode}'
        decision["run_label"] = decision["run_label"] or f"scripted-{number}"
    decision.pop("train", None)
    return decision


def main() -> int:
    config = Path("config")
    observation = json.load(sys.stdin)
    role = observation["role"]
    counter = config / f"calls_{role}.txt"
    number = int(counter.read_text(encoding="utf-8")) + 1 if counter.exists() else 1
    counter.write_text(str(number), encoding="utf-8")
    script = json.loads(
        (config / ("script.json" if role == "worker" else "mentor_script.json")).read_text(encoding="utf-8")
    )
    entry = script[min(number, len(script)) - 1]
    time.sleep(entry.pop("takes_s", 0.0))
    if "say" in entry:
        print(entry["say"])
        return 0
    if "exit" in entry:
        print("the model is out", file=sys.stderr)
        return int(entry["exit"])
    if "hang" in entry:
        time.sleep(600)
    print(json.dumps(filled(entry, number)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
