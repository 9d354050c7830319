"""A training repository as a stranger would bring it, and what a test needs to work with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.decision import Edit
from llm_loop.versions.checkout import CheckoutRequest, OpenCheckout, open_checkout
from llm_loop.versions.collecting import collect
from llm_loop.versions.edits import apply_edits
from llm_loop.versions.rules import CodeRules

TRAIN = """\
import argparse, json, os, pathlib
from netlib import model

parser = argparse.ArgumentParser()
parser.add_argument("--config", default="configs/base.yaml")
parser.add_argument("--out", default="runs/last")
options = parser.parse_args()
rows = pathlib.Path("data/rows.txt").read_text().split()
config = pathlib.Path(options.config).read_text()
out = pathlib.Path(options.out)
out.mkdir(parents=True, exist_ok=True)
said = {"model": model.NAME, "file": model.__file__, "rows": len(rows), "config": config, "cwd": os.getcwd()}
(out / "result.json").write_text(json.dumps(said))
"""
FILES = {
    "train.py": TRAIN,
    "src/netlib/__init__.py": "",
    "src/netlib/model.py": 'NAME = "first"\n',
    "configs/base.yaml": "lr: 0.1\n",
    "README.md": "# theirs\n",
    ".gitignore": "data/\nruns/\n*.log\n__pycache__/\nweights/\n",
}


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Hold a workspace whose training repository is a stranger's."""

    workspace: Path
    repository: Path

    @property
    def checkouts(self) -> Path:
        return self.workspace / ".llm_loop" / "checkouts"

    @property
    def versions(self) -> Path:
        return self.workspace / ".llm_loop" / "versions"

    def request(self, checkout_id: str = "c1", **fields: Any) -> CheckoutRequest:
        rules = fields.pop("rules", CodeRules(keep_out=(self.workspace / ".llm_loop",)))
        return CheckoutRequest(
            repository=self.repository,
            versions=self.versions,
            checkouts=self.checkouts,
            checkout_id=checkout_id,
            rules=rules,
            config_globs=("configs/**/*.yaml",),
            **fields,
        )

    def request_json(self, checkout_id: str = "c1") -> dict[str, Any]:
        return {
            "repository": str(self.repository),
            "versions": str(self.versions),
            "checkouts": str(self.checkouts),
            "checkout_id": checkout_id,
            "keep_out": [str(self.workspace / ".llm_loop")],
            "link_folders": [],
            "output_folders": ["runs", "outputs", "logs", "checkpoints"],
            "config_globs": ["configs/**/*.yaml"],
            "preferred": None,
        }

    def open(self, checkout_id: str = "c1") -> OpenCheckout:
        return open_checkout(self.request(checkout_id))

    def changed(self, edits: Iterable[Edit], checkout_id: str = "c1") -> Any:
        """Return the change that these edits make in a fresh checkout."""
        opened = self.open(checkout_id)
        return collect(opened, apply_edits(opened, tuple(edits)))


def make_foreign(root: Path, *, git: bool = True, data_mb: int = 1) -> Foreign:
    """Make the stranger's repository with data, earlier runs, and a workspace around the loop's own files."""
    repository = root / "their repo"
    write_files(repository, FILES)
    write_files(repository, {"data/rows.txt": "a b c\n", "runs/old/best.txt": "old weights\n", "notes.log": "x\n"})
    (repository / "data" / "big.bin").write_bytes(b"\0" * data_mb * 1_000_000)
    if git:
        git_init(repository)
    workspace = root / "work space"
    workspace.mkdir()
    return Foreign(workspace=workspace, repository=repository)


def write_files(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")


def git_init(repository: Path, *words: str) -> None:
    """Commit what is there, where git is; without one a plain ``.git`` folder has to do."""
    if shutil.which("git") is None:
        (repository / ".git").mkdir()
        return
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.autocrlf=false")
    for arguments in (("init", "-q"), ("add", "-A", *words), ("commit", "-q", "-m", "theirs")):
        subprocess.run(["git", *who, *arguments], cwd=repository, check=True, stdin=subprocess.DEVNULL)


def fingerprint(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Return all that can be seen of a tree: kind and content, mode, time of change. Links are not followed."""
    found = {}
    for place in sorted(folder.rglob("*")):
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            said = str(place.readlink())
        elif stat.S_ISREG(status.st_mode):
            said = hashlib.sha256(place.read_bytes()).hexdigest()
        else:
            said = "folder"
        found[str(place.relative_to(folder))] = (said, status.st_mode, status.st_mtime_ns)
    return found


def run_placed(place: dict[str, Any], run_folder: Path, workspace: Path, *arguments: str) -> str:
    """Run the training script as a launch would; return what went wrong, "" when nothing did."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "train.py", *arguments],
        cwd=place["cwd"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(place["python_path"]), "LLM_LOOP_RUN_DIR": str(run_folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr
