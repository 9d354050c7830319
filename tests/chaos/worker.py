"""A worker (or mentor) for bad nights: that of the self-test, with code to change, and now and then no answer.

Where the training repository holds code, every second experiment changes it, so that its run has a checkout, and so
does what the mentor suggests instead. Every ninth cycle's worker hangs the first time until its keeper ends it, which
``hung.txt`` notes; an answer takes up to half a second, so that kills meet calls in flight.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))

from llm_loop.selftest import worker

HUNG = "hung.txt"


def changed(cycle: int, root: Path, by: str, value: float) -> dict[str, Any]:
    """Return a decision that changes what the repository's training scores."""
    edit = {"path": "tiny/value.py", "new_text": f"VALUE = {value}\n", "old": None, "new": None}
    command = f"python train.py {'family' if cycle % 3 == 0 else 'plain'} {worker.seconds_of(cycle)} --{by} {cycle}"
    return worker.decision(cycle, root) | {"command": command, "run_label": f"{by}-{cycle}", "edits": [edit]}


def decision_of(cycle: int, root: Path) -> dict[str, Any]:
    if not (root / "repo" / "train.py").exists() or cycle % 4 == 0:
        return worker.decision(cycle, root)
    made = changed(cycle, root, "changed", round(0.9 - (cycle % 800) / 1000, 3))
    return made | {"edits": None, "run_label": f"as-it-is-{cycle}"} if cycle % 4 == 2 else made


def review_of(cycle: int, root: Path) -> dict[str, Any]:
    if not (root / "repo" / "train.py").exists() or cycle % 2:
        return worker.review()
    instead = changed(cycle, root, "suggested", round(0.95 - (cycle % 800) / 1000, 3))
    challenge = {"recommendation": "challenge", "critique": "off_track: try this", "suggested_decision": instead}
    return worker.review() | challenge


def hang(root: Path, observation: dict[str, Any]) -> None:
    """Never answer, the first time that this is asked."""
    line = f"{observation['cycle_trace_id']} {observation['role']}"
    hung = root / HUNG
    if hung.exists() and line in hung.read_text(encoding="utf-8").splitlines():
        return
    with hung.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
    time.sleep(300)


def main() -> None:
    observation = json.load(sys.stdin)
    root, cycle = Path.cwd(), observation["cycle"]
    worker.note_call(root, observation)
    if observation["role"] == "worker" and cycle % 9 == 4:
        hang(root, observation)
    time.sleep(random.Random(f"{cycle} {os.getpid()}").uniform(0.05, 0.5))
    answer = decision_of if observation["role"] == "worker" else review_of
    print(json.dumps(answer(cycle, root)))


if __name__ == "__main__":
    main()
