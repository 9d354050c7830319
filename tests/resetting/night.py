"""A workspace after a night: files of the kinds that a loop leaves, a login, data, and a person's own things."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from llm_loop.cli import main
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.links import make_folder_link
from tests.conftest import make_workspace
from tests.windows.marks import under_wine

LOGIN = {"auth.json": '{"token": "secret"}', "config.toml": "model = 'x'\n", "log/codex.log": "words"}
NIGHT = {
    "history.jsonl": '{"run_id": "R0001"}\n',
    "history_index.json": "{}",
    "logs/events.jsonl": '{"seq": 1, "event": "daemon_started", "ts_utc": "2026-03-01T22:00:00Z"}\n',
    "logs/20260301T220000Z_a.stdout.log": "epoch 1\n",
    "logs/daemon_heartbeat.json": '{"daemon_status": "stopped", "pid": 1}',
    "artifacts/workpad.md": "# LLM Workpad\n",
    "runs/R0001/attempt-1/exit.json": '{"cause": "exited", "exit_code": 0}',
    "runs/R0001/attempt-1/spec.json": "{}",
    "runs/R0001/attempt-1/best_model.pt": "weights" * 100,
    "calls/20260301-1/prompt.md": "decide",
    "versions/objects/ab/cd": "code",
    "kept/workpad.md": "old",
    "inbox/a.json": "{}",
    "FINISH_UP.json": '{"status": "done"}',
    "STOP_DAEMON": "",
    "PAUSE": "",
    "state.json.corrupt-20260301T220000Z": "?",
    ".history.jsonl.0a1b2c3d4e5f.tmp": "half",
}
ARCHIVED = {name.partition("/")[0] for name in NIGHT}


class Night:
    """A workspace and its places; ``settings`` go into the configuration."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.data = root.parent / f"{root.name} data"
        write(self.data, {"images/1.png": "pixels", "labels.csv": "1,0\n"})
        make_workspace(root, **({"data_source_root": str(self.data)} | settings))
        self.paths = WorkspacePaths(root)
        self.repository = root / "repo"
        write(self.repository, {"train.py": "print(1)\n", "runs/mine/model.pt": "mine"})
        write(root / "runs", {"older/model.pt": "mine too"})
        write(root / ".llm_loop_sealed", {"test.csv": "rows", "openings.jsonl": "{}\n"})
        if not under_wine():  # which knows no junctions
            make_folder_link(self.link, self.data)
        self.fill()

    def fill(self) -> None:
        """Leave a night in ``.llm_loop``."""
        write(self.paths.loop, NIGHT | {"checkouts/c1/train.py": "print(2)\n", "jobs/look-1/request.json": "{}"})
        write(self.paths.codex_home, LOGIN)
        self.paths.instance_lock.write_bytes(b"1")

    @property
    def link(self) -> Path:
        return self.repository / "data"

    @property
    def archives(self) -> list[Path]:
        folder = self.root / ".llm_loop_archive"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def theirs(self) -> dict[str, str]:
        """Return the fingerprints of all that is a person's."""
        own = ("repo/train.py", "repo/runs", "runs", ".llm_loop_sealed", "config")
        return {name: fingerprint(self.root / name) for name in own} | {"data": fingerprint(self.data)}

    def clean(self, *flags: str) -> int:
        """Run the verb; return its exit code."""
        return main(["--workspace", str(self.root), "clean", *flags])

    def left(self) -> set[str]:
        """Return what lies in ``.llm_loop`` now, but for the lock."""
        return {one.name for one in self.paths.loop.iterdir()} - {"daemon.lock"}


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def fingerprint(place: Path) -> str:
    """Return a text that changes with any name, content, right or link below; links are not followed."""
    if not place.is_dir():
        return hashlib.sha256(place.read_bytes()).hexdigest()
    found = []
    for folder, folders, files in os.walk(place):
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            status = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_bytes().hex()
            found.append([str(path.relative_to(place)), status.st_mode, content])
    return json.dumps(sorted(found))
