"""``scripts/generate_finishup_report.py``: any Python hands over to the loop's own environment."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from environments.virtualenv import interpreter

ROOT = Path(__file__).resolve().parents[2]
STUB = "import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(6)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with scripts alone; the loop's environment is not there yet."""
    root = tmp_path / "Jörg's & checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def call(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(checkout / "scripts" / "generate_finishup_report.py"), *words]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONUTF8": "1"}
    return subprocess.run(argv, env=environ, cwd=checkout.parent, capture_output=True, encoding="utf-8", timeout=60)


def test_the_words_arrive_and_the_exit_code_comes_back(checkout: Path) -> None:
    argv = [sys.executable, "-m", "venv", "--without-pip", str(checkout / ".venv")]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    packages = next((checkout / ".venv").glob("[Ll]ib/**/site-packages"))
    for folder in (packages / "llm_loop", packages / "llm_loop" / "report"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (packages / "llm_loop" / "report" / "__main__.py").write_text(STUB, encoding="utf-8")
    words = ["--workspace-root", "a b", "--top-k", "3", "--note", 'say "ü" & go']
    done = call(checkout, *words)
    assert (json.loads(done.stdout), done.returncode, done.stderr) == (words, 6, "")


def test_without_the_loops_environment_the_mend_is_named(checkout: Path) -> None:
    done = call(checkout, "--workspace-root", "x")
    assert (done.returncode, done.stdout) == (1, "") and "python scripts/bootstrap.py install" in done.stderr
    assert not interpreter(checkout / ".venv").exists()


def test_help_needs_nothing(checkout: Path) -> None:
    done = call(checkout, "--help")
    assert done.returncode == 0 and "--workspace-root" in done.stdout


def test_the_help_names_every_flag_of_the_module() -> None:
    text = (ROOT / "scripts" / "generate_finishup_report.py").read_text("utf-8")
    argv = [sys.executable, "-m", "llm_loop.report", "--help"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
    flags = {word.strip("[],") for word in told.split() if word.strip("[],").startswith("--")}
    assert flags - {"--help"} <= {word.strip("[],") for word in text.split()}


@pytest.mark.parametrize("name", ["generate_finishup_report.py", "bootstrap.py", "environments/virtualenv.py"])
def test_python_3_8_can_read_all_that_is_loaded(name: str) -> None:
    tree = ast.parse((ROOT / "scripts" / name).read_text("utf-8"), feature_version=(3, 8))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    foreign = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
    assert foreign <= {"bootstrap", "environments"}
