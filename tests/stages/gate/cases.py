"""Commands and decisions to be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from llm_loop.contract.decision import Action, Decision, Housekeeping, RunFile
from llm_loop.stages.gate import GateContext, Verdict, judge
from tests.conftest import REPOSITORY

HERE = Path(__file__).parent
POLICY_FILE = REPOSITORY / "config" / "command_policy.yaml"
REASON = "The last three runs point at too little augmentation."


def corpus(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.safe_load((HERE / "corpus" / name).read_text(encoding="utf-8"))
    return entries


GOOD = corpus("good_commands.yaml")
BAD = corpus("bad_commands.yaml")


def run(command: str = "python src/train.py", **fields: Any) -> Decision:
    given: dict[str, Any] = {
        "action": Action.RUN_COMMAND,
        "rationale": REASON,
        "command": command,
        "run_label": "mixup_alpha_02",
        "working_folder": ".",
        "housekeeping": Housekeeping(notes_update="mixup next"),
    }
    return Decision(**(given | fields))


def entry_verdict(entry: dict[str, Any], context: GateContext) -> Verdict:
    files = tuple(RunFile(name=name, text=text) for name, text in entry.get("run_files", {}).items())
    decision = run(entry["command"], working_folder=entry.get("working_folder", "."), run_files=files or None)
    return judge(decision, replace(context, shell=entry.get("shell", "bash")))


def codes(decision: Decision, context: GateContext) -> list[str]:
    found: list[str] = judge(decision, context).to_json()["issues"]
    return found
