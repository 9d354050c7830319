"""Sources cloned from a real local repository and installed: at a ref, from a subdir, taken again, undone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llm_loop.repairs.cloning import CloneRequest, folder_name
from tests.repairs.conftest import Training
from tests.repairs.wheels import make_source

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
AS_IT_WAS = {"torch": "2.0"}


class Repository:
    """A repository with the package `vision` in `src dir`: 1.0 at the tag v1, 2.0 on main, 3.0 on the branch next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("1.0")
        self.git("tag", "v1")
        self.git("checkout", "--quiet", "-b", "next")
        self.next_commit = self.commit("3.0")
        self.git("checkout", "--quiet", "main")
        self.commit("2.0")

    def git(self, *words: str) -> str:
        own = ["-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *own, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, version: str, requires: tuple[str, ...] = ()) -> str:
        make_source(self.folder / "src dir", "vision", version, requires)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", version)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "its repo")


def clone(training: Training, repo: object, **changes: Any) -> dict[str, Any]:
    """Clone and install as the loop does; return the answer."""
    root = training.root
    keys = {
        "act": "clone",
        "name": "vision.models",
        "repo": str(repo),
        "ref": "",
        "subdir": "src dir",
        "editable": True,
    }
    keys |= {"base": str(root), "sources": str(root / "model_sources"), "clone_log": str(root / "clone.log")}
    request = training.request(import_names=["vision"]) | keys | changes
    return training.answer(request, "clone")


def test_a_ref_of_a_repository_is_cloned_installed_and_undone(training: Training, repository: Repository) -> None:
    done = clone(training, repository.folder, ref="v1")
    assert (done["state"], done["why"]) == ("installed", None)
    assert [(one["name"], one["version"]) for one in done["added"]] == [("vision", "1.0")]
    assert training.versions() == AS_IT_WAS | {"vision": "1.0"}
    assert done["commit"] == repository.git("rev-parse", "v1")
    assert done["clone"]["source_dir"] == str(training.root / "model_sources" / "vision.models")
    assert done["clone"]["success"] and done["pip_from_clone"]["packages"] == ["vision==1.0"]
    assert training.undo(done)["state"] == "undone"
    assert training.versions() == AS_IT_WAS and not training.can_import("vision")


def test_a_clone_at_that_ref_is_taken_again(training: Training, repository: Repository) -> None:
    done = clone(training, repository.folder, ref="next", editable=False)
    assert done["environment"]["versions"]["vision"] == "3.0"
    training.undo(done)
    repository.folder.rename(repository.folder.with_name("away"))
    repository.folder.mkdir()  # nothing can be cloned from it any more
    again = clone(training, repository.folder, ref="next", editable=False)
    assert (again["state"], again["commit"]) == ("installed", repository.next_commit)
    other = clone(training, repository.folder, ref="v1")
    assert (other["state"], other["reason"]) == ("failed", "clone_failed")


@pytest.mark.slow
def test_a_clone_that_was_changed_is_made_anew(training: Training, repository: Repository) -> None:
    training.undo(clone(training, repository.folder, ref="v1"))
    module = training.root / "model_sources" / "vision.models" / "src dir" / "vision.py"
    module.write_text("changed\n", encoding="utf-8")
    assert clone(training, repository.folder, ref=repository.git("rev-parse", "v1"))["state"] == "installed"
    assert training.versions()["vision"] == "1.0" and "changed" not in module.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_a_source_needs_passes_the_same_check(training: Training, repository: Repository) -> None:
    training.add("helper")
    repository.commit("4.0", requires=("helper",))
    done = clone(training, repository.folder)
    assert {one["name"] for one in done["added"]} == {"vision", "helper"}
    training.undo(done)
    training.add("torch", "3.0")
    repository.commit("5.0", requires=("torch>=3",))
    done = clone(training, repository.folder, name="other")
    assert (done["state"], done["reason"], done["clone"]["success"]) == ("refused", "protected", True)
    assert training.versions() == AS_IT_WAS


def test_no_hook_and_no_helper_of_a_template_runs(
    training: Training, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch '{tmp_path / 'hooked'}'\n", encoding="utf-8")
    (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))
    config = tmp_path / "gitconfig"
    config.write_text(f"[init]\n\ttemplateDir = {hooks.parent.as_posix()}\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert clone(training, repository.folder)["state"] == "installed"
    assert not (tmp_path / "hooked").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"repo": "ext::sh -c touch% hacked"},
        {"repo": "--upload-pack=touch hacked"},
        {"repo": "http://example.org/plain"},
        {"repo": "git://example.org/plain"},
        {"repo": "no/such/folder"},
        {"ref": "--output=hacked"},
        {"ref": "main..next"},
        {"ref": "@{-1}"},
        {"subdir": "../.."},
        {"subdir": "/"},
        {"subdir": "src dir\0"},
        {"repo": "x" * 900},
    ],
    ids=str,
)
def test_what_is_no_address_ref_or_subdir_is_refused(
    training: Training, repository: Repository, changes: dict[str, str]
) -> None:
    done = clone(training, **({"repo": repository.folder} | changes))
    assert (done["state"], done["reason"]) == ("refused", "not_allowed")
    assert done["clone"]["success"] is False and done["pip_from_clone"] is None
    assert not list(training.root.rglob("hacked")) and training.versions() == AS_IT_WAS


def test_a_ref_or_a_project_that_is_not_there_is_said(training: Training, repository: Repository) -> None:
    done = clone(training, repository.folder, ref="v9")
    assert (done["state"], done["reason"]) == ("failed", "clone_failed") and "'v9'" in done["why"]
    done = clone(training, repository.folder, subdir="")
    assert (done["state"], done["reason"]) == ("failed", "clone_failed") and "pyproject.toml" in done["why"]


def test_a_password_in_an_address_is_in_no_log_and_no_answer(training: Training) -> None:
    done = clone(training, "https://me:hunter2@127.0.0.1:9/x.git", deadline_s=30)
    assert (done["state"], done["reason"]) == ("failed", "clone_failed")
    assert "hunter2" not in str(done) + (training.root / "clone.log").read_text(encoding="utf-8")


def test_names_of_folders_hold_everywhere() -> None:
    assert folder_name("Vision.Models") == "vision.models"
    for hostile in ("con", "nul.txt", "../x", "a/b", "a" * 200, ".", "x.", "ü", "-x"):
        name = folder_name(hostile)
        assert name != hostile and len(name) <= 60 and name.isascii() and name.replace("-", "").isalnum()


def test_a_request_may_be_short(tmp_path: Path) -> None:
    value = {"name": "x", "repo": "y", "base": str(tmp_path), "sources": str(tmp_path)}
    made = CloneRequest.from_json(value)
    assert (made.ref, made.subdir, made.editable, made.install_folder) == ("", "", True, tmp_path / "x")
    assert os.path.commonpath([made.folder, tmp_path]) == str(tmp_path)
