"""The workspace of a self-test: temporary, with a worker and a trainer that ship with the loop."""

from __future__ import annotations

import sys
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system import files

GRACE_S = 1.0
_WORKER = Path(__file__).with_name("worker.py")
_POLICY = "version: 1\n"  # the commands are known ones


def make_workspace(root: Path) -> WorkspacePaths:
    """Write configuration, policy, missions and an empty training repository. Raises FileWriteError."""
    (root / "repo").mkdir(parents=True)
    worker = " ".join(f'"{word}"' for word in (sys.executable, "-X", "utf8", str(_WORKER)))
    config = {
        "training_repo_root": "repo",
        "train_python_exe": sys.executable,
        "command_policy": "config/command_policy.yaml",
        "search_space": None,
        "worker_command": worker,
        "mentor_command": worker,
        "mentor_enabled": True,
        "mentor_every_n_cycles": 3,
        "max_parallel_runs": 2,
        "stop_grace_seconds": GRACE_S,
        "daemon_poll_seconds": 5,
        "min_free_disk_mb": 1,
        "journal_rotate_mb": 1,
    }
    files.replace_json(root / "config" / "daemon_config.json", config)
    files.replace_text(root / "config" / "command_policy.yaml", _POLICY)
    for name in ("WORKER_MISSION.md", "MENTOR_MISSION.md"):
        files.replace_text(root / name, "# Mission\n\nAnswer; a self-test looks at the loop, not at you.\n")
    want(root, "mixed")
    return WorkspacePaths(root)


def want(root: Path, trainings: str) -> None:
    """Say how the trainings of the next decisions shall behave: ``mixed`` or ``stubborn``."""
    files.replace_text(root / "wanted.txt", trainings + "\n")
