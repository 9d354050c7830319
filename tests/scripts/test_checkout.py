"""Both environments as a whole, with a pip that only notes what it is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from environments import checkout as checkout_module
from environments import steps as steps_module
from environments.checkout import Checkout, loop_steps, train_steps
from environments.package_source import copied_source, source_files, source_fingerprint
from environments.problem import SetupProblem
from environments.stamps import Stamps

ROOT = Path(__file__).resolve().parents[2]
CPU = {
    "install": [
        {"metadata": {"name": "torch", "version": "2.13.0+cpu"}, "download_info": {"url": "x:y"}},
        {"metadata": {"name": "torchvision", "version": "0.28.0"}, "download_info": {"url": "x:y"}},
    ]
}


@pytest.fixture
def tree(hostile_folder: Path) -> Path:
    """A small checkout: the project's own pins and a package of two files."""
    shutil.copytree(ROOT / "constraints", hostile_folder / "constraints")
    shutil.copyfile(ROOT / "pyproject.toml", hostile_folder / "pyproject.toml")
    package = hostile_folder / "llm_loop"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "x.schema.json").write_text("{}", encoding="utf-8")
    return hostile_folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No NVIDIA, environments without pip, and an import of torch that is taken on trust."""

    def create_bare(folder: Path) -> None:
        argv = [sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)

    monkeypatch.setattr(steps_module, "create", create_bare)
    monkeypatch.setattr(checkout_module, "detect_nvidia", lambda: None)
    monkeypatch.setattr(checkout_module, "_import_torch", lambda checkout: None)


@pytest.fixture
def project(tree: Path, machine: None, fake_pip) -> Project:
    fake_pip.will({"match": "--report", "report": CPU})
    return Project(tree, fake_pip)


class Project:
    def __init__(self, root: Path, fake_pip) -> None:
        self.root, self.fake_pip = root, fake_pip
        self.said: list[str] = []

    def checkout(self, **options: Any) -> Checkout:
        return Checkout(root=self.root, say=self.said.append, pip_argv=self.fake_pip.argv, **options)

    def bring_up_train(self, *, dev: bool = False, extras: Sequence[str] = (), **options: Any) -> list[list[str]]:
        """Bring the trainer's environment up and return the pip calls that it took."""
        before = len(self.fake_pip.calls())
        checkout = self.checkout(**options)
        checkout.bring_up(checkout.train_folder, train_steps(checkout, dev=dev, extras=extras))
        return self.fake_pip.calls()[before:]

    def bring_up_loop(self, *, dev: bool = False) -> list[list[str]]:
        before = len(self.fake_pip.calls())
        checkout = self.checkout()
        checkout.bring_up(checkout.loop_folder, loop_steps(checkout, dev=dev))
        return self.fake_pip.calls()[before:]


def test_the_loop_is_installed_once_and_without_torch(project):
    calls = project.bring_up_loop()
    assert calls == [["install", "--constraint", "constraints/loop.txt", "--editable", ".[planner]"]]
    assert project.bring_up_loop() == []
    assert [call[-1] for call in project.bring_up_loop(dev=True)] == [".[planner,dev]"]
    assert project.bring_up_loop() == []


def test_a_moved_checkout_installs_the_loop_anew(project):
    project.bring_up_loop()
    moved = project.root.with_name("moved")
    project.root.rename(moved)
    project.root = moved
    assert len(project.bring_up_loop()) == 1


def test_the_trainer_gets_torch_first_then_the_rest(project):
    calls = project.bring_up_train()
    assert ["--dry-run" in call for call in calls] == [True, False, False]
    assert calls[1][-2:] == ["torch==2.13.0", "torchvision==0.28.0"]
    assert calls[2][-1] == ".[train]"
    assert all("--editable" not in call for call in calls)
    assert any("torch 2.13.0+cpu, for the CPU" in line for line in project.said)
    assert project.bring_up_train() == []


def test_changed_sources_are_built_again_without_asking_the_network(project):
    project.bring_up_train()
    (project.root / "llm_loop" / "new.py").write_text("x = 1\n", encoding="utf-8")
    calls = project.bring_up_train()
    assert len(calls) == 1
    assert {"--no-deps", "--no-index", "--no-build-isolation"} <= set(calls[0])
    assert project.bring_up_train() == []


def test_changed_pins_are_installed_and_imported_again(project, monkeypatch):
    imports = []
    monkeypatch.setattr(checkout_module, "_import_torch", imports.append)
    project.bring_up_train()
    with (project.root / "constraints" / "train.txt").open("a", encoding="utf-8") as pins:
        pins.write("another==1\n")
    assert len(project.bring_up_train()) == 3
    assert len(imports) == 2


def test_a_broken_install_goes_on_at_its_step(project):
    full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    project.fake_pip.will(
        {"match": "--report", "report": CPU}, {"match": ".[train]", "output": full, "exit_code": 1, "once": True}
    )
    with pytest.raises(SetupProblem, match="disk is full"):
        project.bring_up_train()
    assert [call[-1] for call in project.bring_up_train()] == [".[train]"]


def test_a_named_torch_index_is_remembered_until_another_is_named(project):
    project.bring_up_train(torch_index="cpu")
    assert project.bring_up_train() == []
    assert Stamps(project.root / ".venv-train").read("torch choice") == "cpu"
    calls = project.bring_up_train(torch_index="auto")
    assert "--extra-index-url" not in calls[0]
    assert project.bring_up_train() == []


def test_a_torch_of_another_build_goes_before_the_new_one_comes(project):
    project.bring_up_train()
    packages = next((project.root / ".venv-train").glob("[Ll]ib/**/site-packages"))
    (packages / "torch-2.13.0+cu130.dist-info").mkdir()
    calls = project.bring_up_train(torch_index="cpu")
    assert calls[1] == ["uninstall", "--yes", "torch", "torchvision"]


def test_the_packages_of_repairs_are_installed_once_and_only_when_wanted(project):
    wanted = ["einops", "timm"]
    assert not [call for call in project.bring_up_train() if "einops" in call]
    calls = project.bring_up_train(extras=wanted)
    pins = str(project.root / "constraints" / "train.txt")
    assert calls == [["install", "--constraint", pins, "einops", "timm"]]
    assert "installing 2 packages that repairs may need: einops, timm" in project.said[-1]
    assert project.bring_up_train(extras=wanted) == project.bring_up_train() == []
    assert len(project.bring_up_train(extras=[*wanted, "yacs"])) == 1


def test_too_little_room_is_said_before_anything_is_fetched(project, monkeypatch):
    from environments import checks

    usage = shutil.disk_usage(project.root)._replace(free=1_000_000_000)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(SetupProblem, match=r"1\.0 GB free.* 1\.5 GB"):
        project.bring_up_train()
    assert all("--dry-run" in call for call in project.fake_pip.calls())


def test_nothing_due_needs_no_lock_and_no_write(project):
    project.bring_up_loop()
    (project.root / ".bootstrap.lock").unlink()
    assert project.bring_up_loop() == []
    assert not (project.root / ".bootstrap.lock").exists()


def test_the_copy_to_build_from_holds_sources_alone(tree):
    (tree / "llm_loop" / "__pycache__").mkdir()
    (tree / "llm_loop" / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert [path.name for path in source_files(tree)] == ["__init__.py", "x.schema.json"]
    with copied_source(tree) as copy:
        names = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    assert names == ["llm_loop/__init__.py", "llm_loop/x.schema.json", "pyproject.toml"]
    assert not copy.exists()


def test_the_fingerprint_of_the_sources_sees_names_and_contents(tree):
    first = source_fingerprint(tree)
    (tree / "llm_loop" / "x.schema.json").rename(tree / "llm_loop" / "y.schema.json")
    second = source_fingerprint(tree)
    (tree / "llm_loop" / "y.schema.json").write_text("[]", encoding="utf-8")
    assert len({first, second, source_fingerprint(tree)}) == 3
