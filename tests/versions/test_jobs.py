"""The child, really started: each job from request to answer, and what it says of nonsense."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.code_change import CodeChange
from tests.versions.foreign import Foreign, fingerprint, write_files

EDIT = {"path": "src/netlib/model.py", "new_text": None, "old": "first", "new": "second"}


def call(folder: Path, clean_environ: dict[str, str], request: Any) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "llm_loop.versions", str(folder)],
        env=clean_environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture
def ask(tmp_path: Path, clean_environ: dict[str, str], foreign: Foreign) -> Any:
    def asked(job: str, **fields: Any) -> dict[str, Any]:
        done = call(tmp_path / "call", clean_environ, {"schema_version": 1, "job": job, **fields})
        assert done.returncode == 0, done.stderr
        value: dict[str, Any] = json.loads((tmp_path / "call" / "answer.json").read_text(encoding="utf-8"))
        assert value["job"] == job and "refused" in value
        return value

    return asked


def rules_of(foreign: Foreign) -> dict[str, Any]:
    names = ("repository", "versions", "keep_out", "link_folders", "output_folders")
    return {name: foreign.request_json()[name] for name in names}


def test_take_and_compare(foreign: Foreign, ask: Any) -> None:
    taken = ask("take", **rules_of(foreign))
    assert taken["refused"] is None and taken["files"] == 6 and taken["bytes"] > 100
    same = ask("compare", **rules_of(foreign), version=taken["version"])
    assert (same["version"], same["changed"]) == (taken["version"], [])
    write_files(foreign.repository, {"train.py": "other", "results.csv": "x"})
    (foreign.repository / "README.md").unlink()
    other = ask("compare", **rules_of(foreign), version=taken["version"])
    assert other["version"] != taken["version"] and other["changed"] == ["README.md", "train.py"]
    gone = ask("take", **rules_of(foreign) | {"repository": str(foreign.workspace / "none")})
    assert "not a folder" in gone["refused"]


def test_edit_open_place_discard(foreign: Foreign, ask: Any) -> None:
    before = fingerprint(foreign.repository)
    worker = CodeChange.from_json(ask("edit", checkout=foreign.request_json(), edits=[EDIT], base=None)["change"])
    assert worker.refusals == () and len(worker.files) == 1
    base = {"version": worker.base.version, "repository_version": worker.base.repository_version, "run_id": None}
    other = EDIT | {"new": "third"}
    mentor = ask("edit", checkout=foreign.request_json("c2"), edits=[other], base=base)["change"]
    assert mentor["base"] == base and '+NAME = "third"' in mentor["diff"]
    bad = ask("edit", checkout=foreign.request_json("c3"), edits=[EDIT | {"path": "../x"}], base=None)["change"]
    assert "climbs out" in bad["refusals"][0]
    again = ask("open", checkout=foreign.request_json("c4"), version=worker.version)
    assert again["checkout_id"] == "c4" and again["version"] == worker.version
    assert "second" in Path(again["folder"], "src/netlib/model.py").read_text(encoding="utf-8")
    assert "not in" in ask("open", checkout=foreign.request_json("c5"), version="0" * 16)["refused"]
    question = {
        "checkout": foreign.request_json(),
        "change": worker.to_json(),
        "command": f"python '{foreign.repository}/train.py'",
        "shell": "pwsh" if os.name == "nt" else "bash",
        "working_folder": None,
        "train_python": sys.executable,
    }
    placed = ask("place", **question)
    assert placed["refused"] == placed["place"]["refused"]
    if os.name != "nt":
        assert placed["refused"] is None
        assert placed["place"]["command"] == "python '{workspace}/.llm_loop/checkouts/c1/train.py'"
        assert placed["place"]["proofs"] == [{"path": "src/netlib/model.py", "module": "netlib.model"}]
        taken = ask("take", **rules_of(foreign) | {"repository": placed["place"]["checkout"]})
        assert taken["version"] == worker.version
    where = {"checkouts": str(foreign.checkouts), "versions": str(foreign.versions)}
    assert ask("discard", **where, checkout_id="c1")["removed"] == ["c1"]
    assert "left alone" in ask("discard", **where, checkout_id="c1")["refused"]
    assert ask("prune", **where, keep=["c4"], keep_last=0)["removed"] == ["c2", "c3"]
    assert sorted(one.name for one in foreign.checkouts.iterdir() if one.is_dir()) == ["c4"]
    assert fingerprint(foreign.repository) == before


def test_export_gives_code_config_and_a_patch_that_applies(foreign: Foreign, ask: Any, tmp_path: Path) -> None:
    change = CodeChange.from_json(ask("edit", checkout=foreign.request_json(), edits=[EDIT], base=None)["change"])
    attempt = tmp_path / "attempt-1"
    write_files(attempt, {"resolved_config.yaml": "lr: 1\n", "spec.json": "{}", "result.json": "{}"})
    folder = tmp_path / "given out"
    run = {"run_id": "R0001", "decision": {"run_files": [{"name": "mine.yaml", "text": "a: 1\n"}]}}
    asked = {
        **rules_of(foreign),
        "version": change.version,
        "repository_version": change.base.repository_version,
        "folder": str(folder),
        "run": run,
        "run_folder": str(attempt),
    }
    given = ask("export", **asked)
    assert given["refused"] is None and given["applies"] and given["patched"] == ["src/netlib/model.py"]
    assert (folder / "code/src/netlib/model.py").read_text(encoding="utf-8") == 'NAME = "second"\n'
    assert json.loads((folder / "run.json").read_text(encoding="utf-8")) == run
    assert sorted(given["configs"]) == ["mine.yaml", "resolved_config.yaml", "result.json"]
    if shutil.which("git"):
        copy = tmp_path / "copy"
        shutil.copytree(foreign.repository, copy)
        subprocess.run(["git", "apply", given["patch"]], cwd=copy, check=True, timeout=30)
        assert (copy / "src/netlib/model.py").read_text(encoding="utf-8") == 'NAME = "second"\n'
    assert "not empty" in ask("export", **asked)["refused"]
    write_files(foreign.repository, {"src/netlib/model.py": "the user's own"})
    assert ask("export", **asked | {"folder": str(tmp_path / "two")})["applies"] is False


@pytest.mark.parametrize(
    "request_value",
    [
        [],
        {"job": "dance"},
        {"job": ["take"]},
        {"job": "take"},
        {"job": "take", "repository": "relative", "versions": "/v"},
        {"job": "edit", "checkout": None, "edits": []},
        {"job": "edit", "checkout": {}, "edits": [{}]},
        {"job": "place"},
        {"job": "prune", "checkouts": "/c", "keep_last": -1},
    ],
)
def test_a_request_that_is_none_is_one_line(tmp_path: Path, clean_environ: dict[str, str], request_value: Any) -> None:
    done = call(tmp_path, clean_environ, request_value)
    assert done.returncode == 1
    assert done.stderr.startswith("code versions: ") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "answer.json").exists()
