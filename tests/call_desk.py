"""A call of a model as the daemon makes it, without the daemon: its folder, its child, what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_request import CodexRequest, CodexSettings
from llm_loop.contract.call_report import CallReport
from llm_loop.contract.observation import Bootstrap, Domain, Observation, Role
from llm_loop.contract.paths import WorkspacePaths
from tests.conftest import REPOSITORY
from tests.fakes.fake_worker import DECISION

DECIDED = {**DECISION, "command": "python train.py", "run_label": "a label"}
REVIEWED = {
    "schema_version": 1,
    "recommendation": "continue",
    "critique": "on_track: a fair step from the evidence",
    "questions": [],
    "mentor_notes": "",
    "todo_updates": [],
    "suggested_decision": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Hold what a call left behind."""

    folder: Path
    exit_code: int
    said: str
    seconds: float

    @property
    def report(self) -> CallReport:
        assert self.exit_code == 0, self.said
        return CallReport.from_json(json.loads((self.folder / "report.json").read_text(encoding="utf-8")))

    @property
    def answer(self) -> Any:
        path = self.folder / "answer.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    @property
    def cause(self) -> str | None:
        failure = self.report.failure
        return None if failure is None else failure.cause.value

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


class CallDesk:
    """Make calls in a workspace. ``config`` is the text of codex_home/config.toml."""

    def __init__(self, root: Path, binary: Path, config: str) -> None:
        self.paths = WorkspacePaths(root / "work space")
        self.repository = root / "repository"
        self.repository.mkdir(parents=True)
        (self.repository / "train.py").write_text("import layers\nprint('old')\n", encoding="utf-8")
        (self.repository / "layers.py").write_text("WIDTH = 1\n", encoding="utf-8")
        self.paths.codex_home.mkdir(parents=True)
        (self.paths.codex_home / "config.toml").write_text(config, encoding="utf-8")
        if os.name == "nt":  # under Wine the client cannot lock a file of its own making
            (self.paths.codex_home / "installation_id").write_text("11111111-2222-4333-8444-555555555555")
        self.person = root / "person"
        self.person.mkdir()
        self.binary = binary
        self._calls = 0

    def folder(self, *, role: Role = Role.WORKER, checkout: bool = False, **changes: Any) -> Path:
        """Make the folder of a call; ``changes`` are keys of the request, those of ``codex`` with their own names."""
        self._calls += 1
        folder = self.paths.call(f"C0001-1a2b3c4d-{role.value}-{self._calls}")
        folder.mkdir(parents=True)
        codex_names = CodexSettings.__dataclass_fields__
        codex = CodexSettings(
            **{
                "binary": self.binary,
                "home": self.paths.codex_home,
                "model": "gpt-5.5",
                "reasoning_effort": "low",
                "web_search_mode": "disabled",
                "network_access": False,
                "skip_git_repo_check": True,
                "sandbox_mode": "workspace-write" if role is Role.WORKER else "read-only",
                "windows_sandbox": "unelevated" if os.name == "nt" else None,
                **{name: value for name, value in changes.items() if name in codex_names},
            }
        )
        fields = {
            "role": role,
            "codex": codex,
            "tag": folder.name,
            "timeout_s": 60.0,
            "prompt_max_chars": 16_000,
            "display_name": "Worker",
            "working_folder": self.paths.loop / "empty" / folder.name,
            "checkout": self._checkout(folder.name) if checkout else None,
        }
        fields |= {name: value for name, value in changes.items() if name not in codex_names}
        write_json(folder / "request.json", CodexRequest(**fields).to_json())
        write_json(folder / "observation.json", self._observation(role).to_json())
        return folder

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of the child: a home of its own, no secret of the person who runs the tests."""
        names = ("PATH", "LANG", "SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "COMSPEC", "PATHEXT", "WINEPREFIX")
        kept = {name: value for name, value in os.environ.items() if name.upper() in names}
        person = str(self.person)
        search = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {"PYTHONPATH": search, "PYTHONUTF8": "1", "HOME": person, "USERPROFILE": person}
        return {**kept, **own, **more}

    def start(self, folder: Path, **more: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-X", "utf8", "-m", "llm_loop.stages.decide", str(folder)]
        return subprocess.Popen(
            argv,
            env=self.environ(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def call(self, folder: Path | None = None, *, environ: dict[str, str] | None = None, **changes: Any) -> Left:
        """Make a call and wait for it, at most two minutes."""
        folder = folder or self.folder(**changes)
        began = time.monotonic()
        process = self.start(folder, **(environ or {}))
        try:
            said, _ = process.communicate(timeout=120)
        finally:
            process.kill()
        return Left(folder=folder, exit_code=process.returncode, said=said, seconds=time.monotonic() - began)

    def _checkout(self, checkout_id: str) -> dict[str, Any]:
        return {
            "repository": str(self.repository),
            "versions": str(self.paths.versions),
            "checkouts": str(self.paths.checkouts),
            "checkout_id": checkout_id,
            "keep_out": [str(self.paths.loop)],
            "link_folders": [],
            "output_folders": ["runs"],
            "config_globs": ["configs/*.yaml"],
            "preferred": None,
        }

    def _observation(self, role: Role) -> Observation:
        return Observation(
            role=role,
            cycle=1,
            cycle_trace_id="C0001-1a2b3c4d",
            domain=Domain(images="", metric_meaning="", selection_metric="val_loss", selection_direction="min"),
            training_repo_root=str(self.repository),
            history=(),
            active_runs=(),
            staged_runs=(),
            open_todos=(),
            open_todo_count=0,
            bootstrap=Bootstrap(label="baseline", command="python train.py", pending=True),
            search_space=None,
            base_config=None,
            default_monitor_seconds=300,
            proposal=DECIDED if role is Role.MENTOR else None,
        )


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
