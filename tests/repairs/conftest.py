"""What the tests of repairs share: a training environment of their own, a package folder, the child that acts."""

from __future__ import annotations

import compileall
import ensurepip
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.repairs.wheels import make_wheel

ASK_VERSIONS = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"


@dataclass
class Training:
    """Hold a training environment, the folder of packages that its pip sees, and a place for jobs."""

    root: Path
    python: Path
    packages: Path
    jobs: int = 0

    def versions(self) -> dict[str, str]:
        """Return what its Python itself says is installed, without pip."""
        done = subprocess.run([str(self.python), "-I", "-c", ASK_VERSIONS], capture_output=True, check=True)
        value = json.loads(done.stdout)
        assert isinstance(value, dict)
        return {name: version for name, version in value.items() if name != "pip"}

    def can_import(self, module: str) -> bool:
        done = subprocess.run([str(self.python), "-I", "-c", f"import {module}"], capture_output=True, check=False)
        return done.returncode == 0

    def request(self, *requirements: str, **changes: Any) -> dict[str, Any]:
        """Return a request to install; ``changes`` are other keys."""
        place = self.root / f"repair-{self.jobs}"
        return {
            "act": "install",
            "python": str(self.python),
            "requirements": list(requirements),
            "import_names": [],
            "protected": ["torch", "timm"],
            "allow_source": False,
            "deadline_s": 60,
            "log": str(place / "autofix_pip.log"),
            "record": str(place / "record.json"),
            "in_use_by": [],
        } | changes

    def start(self, request: Any, module: str = "install", **environment: str) -> tuple[subprocess.Popen[str], Path]:
        """Start the child as the loop does; return it and its folder."""
        self.jobs += 1
        folder = self.root / f"job-{self.jobs}"
        folder.mkdir()
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.packages), "PIP_CONFIG_FILE": os.devnull}
        argv = [sys.executable, "-X", "utf8", "-m", f"llm_loop.repairs.{module}", str(folder)]
        env = kept | pip | {"PYTHONPATH": str(REPOSITORY)} | environment
        child = subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return child, folder

    def answer(self, request: Any, module: str = "install", **environment: str) -> dict[str, Any]:
        """Run the child and return its answer."""
        child, folder = self.start(request, module, **environment)
        out, err = child.communicate(timeout=120)
        assert (child.returncode, out, err) == (0, "", "")
        value = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        assert isinstance(value, dict)
        return value

    def install(self, *requirements: str, **changes: Any) -> dict[str, Any]:
        return self.answer(self.request(*requirements, **changes))

    def undo(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Undo what an answer says was installed."""
        assert answer["record"] is not None
        log = str(Path(answer["record"]).with_name("undo.log"))
        return self.answer({"act": "undo", "record": answer["record"], "deadline_s": 60, "log": log, "in_use_by": []})

    def add(self, name: str, version: str = "1.0", **wheel: Any) -> None:
        """Put a package where pip finds it."""
        make_wheel(self.packages, name, version, **wheel)


def make_environment(folder: Path) -> Path:
    """Make a virtual environment without pip of its own; return its Python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="session")
def unpacked_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pip that came with this Python, compiled once: pip in an archive starts slowly."""
    folder = tmp_path_factory.mktemp("pip")
    wheel = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    shutil.unpack_archive(wheel, folder, format="zip")
    compileall.compile_dir(folder, quiet=2)
    return folder


@pytest.fixture
def training(tmp_path: Path, unpacked_pip: Path) -> Training:
    """A training environment in a folder with a space; its torch 2.0 is protected, and it sees a pip."""
    made = make_training(tmp_path)
    (site_packages(made) / "pip.pth").write_text(f"{unpacked_pip}\n", encoding="utf-8")
    return made


def make_training(folder: Path) -> Training:
    """Make an environment without pip, in which torch 2.0 is installed."""
    root = folder / "a train"
    made = Training(root=root, python=make_environment(root / "environment"), packages=folder / "packages")
    made.add("torch", "2.0")
    unpack(made, "torch", "2.0")
    return made


def site_packages(training: Training) -> Path:
    return next((training.root / "environment").glob("**/site-packages"))


def unpack(training: Training, name: str, version: str) -> None:
    """Put a wheel of pure Python into the environment, as an installer does."""
    site = site_packages(training)
    shutil.unpack_archive(training.packages / f"{name}-{version}-py3-none-any.whl", site, format="zip")
    (site / f"{name}-{version}.dist-info" / "INSTALLER").write_text("pip\n", encoding="utf-8")
