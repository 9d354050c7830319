"""A workspace in which the real Codex decides, against a scripted model."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from llm_loop.agents.sandbox_choice import STORE
from tests.codex_client import codex_binary
from tests.conftest import FAKES, REPOSITORY, make_workspace
from tests.fakes.fake_worker import DECISION, filled
from tests.fakes.responses_server import ResponsesServer


def decision(train: str = "good 0.5", **changes: Any) -> dict[str, Any]:
    """Return a decision as a model answers it, every field in it; ``train`` is the fake trainer's mode."""
    label = changes.pop("run_label", f"scripted-{uuid.uuid4().hex[:6]}")
    trained = {} if "command" in changes else {"train": train}
    return filled({**trained, "run_label": label, **changes}, 0)


def review(recommendation: str, suggested: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a review as a model answers it."""
    verdict = "on_track" if recommendation == "continue" else "off_track"
    return {
        "schema_version": 1,
        "recommendation": recommendation,
        "critique": f"{verdict}: scripted",
        "questions": [],
        "mentor_notes": "",
        "todo_updates": [],
        "suggested_decision": suggested,
    } | changes


def codex_workspace(root: Path, server: ResponsesServer, planner: str = "good 0.6", **settings: Any) -> Path:
    """Make a workspace whose Codex talks to ``server``; ``planner`` is how the planner that stands in for it trains."""
    defaults: dict[str, Any] = {
        "worker_command": None,
        "web_search_mode": "disabled",
        "codex_timeout_seconds": 60,
        "force_bootstrap_if_idle": False,
    }
    workspace = make_workspace(root, **{**defaults, "search_space": "config/space.yaml", **settings})
    (workspace / "config" / "base.yaml").write_text("learning_rate: 0.5\nseed: 0\n", encoding="utf-8")
    (workspace / "config" / "space.yaml").write_text(_space(planner), encoding="utf-8")
    home = workspace / ".llm_loop" / "codex_home"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(server.config(), encoding="utf-8")
    if os.name == "nt":  # under Wine an empty one cannot be locked
        (home / "installation_id").write_text(str(uuid.uuid4()), encoding="utf-8")
        if "sandbox_mode" not in settings:
            _take_over_the_trial(workspace)
    return workspace


_earlier: list[Path] = []


def _take_over_the_trial(workspace: Path) -> None:
    """Give a workspace what the first loop of these tests found out about the sandboxes: under Wine a trial takes 20 s.

    A choice that does not hold for this client and configuration is not taken by the loop.
    """
    for store in (earlier / ".llm_loop" / STORE for earlier in _earlier):
        if store.exists():
            shutil.copyfile(store, workspace / ".llm_loop" / STORE)
            break
    _earlier.append(workspace)


def _space(train: str) -> str:
    """Return a search space of one number, for the planner that stands in for Codex; the fake trainer ignores it."""
    return json.dumps(
        {
            "schema_version": 1,
            "base_config": "config/base.yaml",
            "config_file": "trial.yaml",
            "command": decision(train)["command"] + " {run_dir}/trial.yaml",
            "working_folder": ".",
            "seed_key": "seed",
            "parameters": [
                {"name": "learning_rate", "type": "float", "low": 0.1, "high": 1.0, "category": "optimization"}
            ],
        }
    )


def codex_environment(clean: dict[str, str], home: Path, version: str | None = None) -> dict[str, str]:
    """Return an environment in which the loop finds the real Codex; HOME is empty, as Codex reads login profiles."""
    binary = codex_binary(version)
    home.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(binary.parent), clean["PATH"]])
    return {**clean, "PATH": path, "HOME": str(home), "USERPROFILE": str(home)}


def is_worker(body: dict[str, Any]) -> bool:
    """Tell whether a request is the worker's: its answer's schema has an action."""
    return '"suggested_decision"' not in json.dumps(body.get("text", {}))


__all__ = [
    "DECISION",
    "FAKES",
    "REPOSITORY",
    "codex_environment",
    "codex_workspace",
    "decision",
    "is_worker",
    "review",
]
