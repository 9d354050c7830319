"""A worker that hands out the decisions of the night in their order. Standard library only; started by path.

``config/decisions.json`` is the list. The next one is the first that the journal does not know as staged, and that was
not refused twice: so a call that is made again, by another daemon too, gets the same answer. Asked amid a run, or when
nothing is left, it waits.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

LOGS = Path(".llm_loop") / "logs"
MOST_REFUSALS = 2
WAIT = {
    "action": "wait",
    "rationale": "All decisions of this night are handed out.",
    "command": "",
    "run_label": "",
    "edits": None,
}


def main() -> int:
    """Answer one call."""
    observation = json.load(sys.stdin)
    if observation["role"] != "worker":
        print("there is only a worker here", file=sys.stderr)
        return 1
    decisions = json.loads(Path("config/decisions.json").read_text(encoding="utf-8"))
    left = [] if observation.get("wake_reasons") else still_to_do(decisions)
    print(json.dumps(left[0] if left else decisions[0] | WAIT))
    return 0


def still_to_do(decisions: list[dict]) -> list[dict]:
    """Return the decisions that neither became a run nor were refused often enough."""
    staged, refused, last = set(), Counter(), {}
    for event in _events():
        if event["event"] == "run_staged":
            staged.add(event["run"]["label_decided"])
        elif event["event"] == "proposal" and event["record"]["decision"]:
            label = last[event["cycle"]] = event["record"]["decision"]["run_label"]
            refused[label] += not event["record"]["accepted"]
        elif event["event"] == "place_refused":
            refused[last[event["cycle"]]] += 1
    return [one for one in decisions if one["run_label"] not in staged and refused[one["run_label"]] < MOST_REFUSALS]


def _events() -> list[dict]:
    lines = [line for path in sorted(LOGS.glob("events*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


if __name__ == "__main__":
    raise SystemExit(main())
