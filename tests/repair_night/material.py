"""The scene of the night: a training environment, a folder of packages, a source to clone, a repository, a workspace.

Everything is real and local: pip sees the folder of packages and no index, git a path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

from tests.conftest import command_line, make_workspace
from tests.repair_night.cases import MOST_RETRIES, Case
from tests.repairs.wheels import make_source, make_wheel

HERE = Path(__file__).resolve().parent
SCENE = "scene.json"
PRECIOUS = "precious"
TRAP = "trap.txt"
CHAIN = [f"chain_{letter}" for letter in "abcde"]
SETTINGS: dict[str, Any] = {
    "selection_metric": "val_mse",
    "max_parallel_runs": 2,
    "stop_grace_seconds": 1,
    "fallback_planner": False,
    "min_free_disk_mb": 1,
    "pause_after_failure_seconds": 0,
    "pause_after_repeated_failures_seconds": 0,
    "auto_repair_module_package_map": {
        "noisekit": ["noise-kit>=1"],
        "absent_kit": ["absent-kit"],
        "halfkit": ["half-kit"],
        **{module: [module.replace("_", "-")] for module in CHAIN},
    },
    "max_validation_retries": MOST_RETRIES,
    "max_execution_retries": MOST_RETRIES,
    "auto_repair_model_fallback_map": {"wide_line": "steep_line"},
}


class Scene:
    """Hold the folders of one night. ``root`` is the workspace; all else lies beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "work space"
        self.packages = folder / "packages"
        self.source = folder / "its source"
        self.environment = folder / "training environment"
        self.precious = self.root / PRECIOUS
        self.trap = folder / TRAP

    @property
    def python(self) -> Path:
        """The training environment's Python."""
        return self.environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def make(self, cases: list[Case], **settings: Any) -> None:
        """Make all of it; takes a few seconds."""
        venv.create(self.environment, with_pip=True, symlinks=os.name != "nt")
        self._make_packages()
        self._make_source()
        clone = {"repo": str(self.source), "ref": "v1", "subdir": "python", "editable": True}
        given = {
            "train_python_exe": str(self.python),
            "worker_command": command_line(HERE / "worker.py"),
            "auto_repair_module_clone_map": {"viewlab": clone},
        }
        make_workspace(self.root, **SETTINGS | given | settings)
        shutil.copytree(HERE / "repository", self.root / "repo", dirs_exist_ok=True, ignore=_caches)
        self.precious.mkdir()
        (self.precious / "weights.txt").write_text("ten days of training", encoding="utf-8")
        hostile = f'os; rm -rf "{self.precious.as_posix()}"; touch "{self.trap.as_posix()}"'
        (self.root / "repo" / "data" / "last_words.txt").write_text(hostile, encoding="utf-8")
        decisions = json.dumps([case.decision() for case in cases], indent=1)
        (self.root / "config" / "decisions.json").write_text(decisions, encoding="utf-8")
        scene = {"before": self.installed()}
        (self.folder / SCENE).write_text(json.dumps(scene, indent=1), encoding="utf-8")

    def _make_packages(self) -> None:
        level = "def level():\n    import noise_base\n\n    return noise_base.LEVEL\n"
        make_wheel(self.packages, "noise-kit", "1.2", files={"noisekit.py": level}, requires=["noise-base>=0.5"])
        make_wheel(self.packages, "noise-base", "0.7", files={"noise_base.py": "LEVEL = 0.01\n"})
        make_wheel(self.packages, "curve-tools", "0.9")
        make_wheel(self.packages, "curve-tools", "0.5")
        make_wheel(self.packages, "half-kit", "1.0", files={"halfkit/__init__.py": "LEVEL = 0.01\n"})
        for module in CHAIN:
            make_wheel(self.packages, module.replace("_", "-"), "1.0", files={f"{module}.py": "LEVEL = 0.001\n"})
        trap = f"LEVEL = 0.0\nopen({self.trap.as_posix()!r}, 'w').close()\n"
        make_wheel(self.packages, "reqeusts", "9.0", files={"reqeusts.py": trap})  # somebody took the name
        make_wheel(self.packages, "os", "9.0", files={"os_.py": trap})
        make_wheel(self.packages, "inhouse-toolbox", "9.0", files={"inhouse_toolbox.py": trap})

    def _make_source(self) -> None:
        make_source(self.source / "python", "viewlab", "1.0")
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("add", ".")
        self._git("commit", "--quiet", "-m", "1.0")
        self._git("tag", "v1")
        make_source(self.source / "python", "viewlab", "2.0")
        self._git("commit", "--quiet", "-a", "-m", "2.0")

    def _git(self, *words: str) -> None:
        own = ["-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *own, *words], cwd=self.source, check=True, capture_output=True)

    def environ(self, base: dict[str, str]) -> dict[str, str]:
        """Return the environment of the loop: pip sees the folder of packages and nothing else."""
        kept = {name: value for name, value in base.items() if not name.startswith("PIP_")}
        return kept | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.packages), "PIP_CONFIG_FILE": os.devnull}

    def installed(self) -> dict[str, str]:
        """Return what pip itself says is installed in the training environment: versions by name."""
        argv = [str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
        done = subprocess.run(argv, capture_output=True, check=True)
        return {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(done.stdout)}

    def before(self) -> dict[str, str]:
        """Return what was installed before the night."""
        found: dict[str, str] = json.loads((self.folder / SCENE).read_text(encoding="utf-8"))["before"]
        return found


def _caches(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]
