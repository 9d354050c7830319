"""Where a run of changed code runs: really run, with the repository watched to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.decision import Edit
from llm_loop.system import links
from llm_loop.versions.checkout import open_checkout
from llm_loop.versions.collecting import collect
from llm_loop.versions.edits import apply_edits
from llm_loop.versions.linking import lead_outputs
from llm_loop.versions.placing import Place, PlaceRequest, place
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from tests.versions.foreign import Foreign, fingerprint, make_foreign, run_placed, write_files

links_needed = pytest.mark.skipif(os.name == "nt", reason="junctions cannot be made on every Windows")
SHELL = "pwsh" if os.name == "nt" else "bash"
BETTER = Edit(path="src/netlib/model.py", old='"first"', new='"second"')


def ask(foreign: Foreign, change: CodeChange, command: str = "python train.py", **fields: Any) -> Place:
    request = PlaceRequest(
        checkout=foreign.request(change.checkout, **fields.pop("request", {})),
        change=change,
        command=command,
        shell=SHELL,
        train_python=Path(sys.executable),
        **fields,
    )
    return place(request)


def result(run_folder: Path, name: str = "runs/last") -> dict[str, Any]:
    value: dict[str, Any] = json.loads((run_folder / name / "result.json").read_text(encoding="utf-8"))
    return value


@links_needed
@pytest.mark.parametrize("git", [True, False])
def test_a_placed_run_uses_the_edit_the_data_and_its_own_folder(tmp_path: Path, git: bool) -> None:
    foreign = make_foreign(tmp_path, git=git)
    before = fingerprint(foreign.repository)
    change = foreign.changed([BETTER, Edit(path="configs/new.yaml", new_text="lr: 0.5\n")])
    placed = ask(foreign, change, "python train.py --config configs/new.yaml")
    assert placed.refused is None
    assert [one.path for one in placed.inputs] == ["data"]
    assert [(one.path, one.module) for one in placed.proofs] == [("src/netlib/model.py", "netlib.model")]
    assert Place.from_json(placed.to_json()) == placed
    run_folder = foreign.workspace / ".llm_loop/runs/R0001/attempt-1"
    lead_outputs(placed.to_json(), run_folder)
    assert run_placed(placed.to_json(), run_folder, foreign.workspace, "--config", "configs/new.yaml") == ""
    said = result(run_folder)
    assert (said["model"], said["rows"], said["config"]) == ("second", 3, "lr: 0.5\n")
    assert said["cwd"] == placed.cwd
    second = foreign.workspace / ".llm_loop/runs/R0001/attempt-2"
    lead_outputs(placed.to_json(), second)
    assert run_placed(placed.to_json(), second, foreign.workspace) == ""
    assert result(second)["config"] == "lr: 0.1\n"
    assert fingerprint(foreign.repository) == before


@links_needed
def test_absolute_paths_are_mapped_and_both_texts_kept(foreign: Foreign) -> None:
    change = foreign.changed([BETTER])
    command = f"python '{foreign.repository}/train.py' --config \"{foreign.repository}/configs/base.yaml\""
    placed = ask(foreign, change, command)
    token = "{workspace}/.llm_loop/checkouts/c1"
    assert placed.command == f"python '{token}/train.py' --config \"{token}/configs/base.yaml\""
    assert placed.command_decided == command
    refused = ask(foreign, change, f"cd {foreign.repository.parent}/'their repo' && python train.py")
    assert refused.refused is not None and "mapped" in refused.refused
    assert refused.command == refused.command_decided


@links_needed
def test_outputs_of_before_that_the_command_names_stay_in_reach(foreign: Foreign) -> None:
    change = foreign.changed([BETTER])
    placed = ask(foreign, change, "python train.py --resume runs/old/best.txt --out runs/new")
    assert [one.path for one in placed.known_outputs] == ["runs/old"]
    run_folder = foreign.workspace / ".llm_loop/runs/R0001/attempt-1"
    lead_outputs(placed.to_json(), run_folder)
    assert (Path(placed.cwd) / "runs/old/best.txt").read_text(encoding="utf-8") == "old weights\n"
    assert sorted(one.name for one in (run_folder / "runs").iterdir()) == ["old"]


@links_needed
def test_big_ignored_folders_native_modules_and_big_files_are_inputs(foreign: Foreign) -> None:
    write_files(foreign.repository, {"weights/small/x.txt": "x", "cache/x.txt": "x", "src/netlib/_ext.so": "elf"})
    with (foreign.repository / ".gitignore").open("a", encoding="utf-8") as stream:
        stream.write("*.so\ncache/\nmodels/\n")
    (foreign.repository / "models").mkdir()
    with (foreign.repository / "models" / "big.bin").open("wb") as stream:
        stream.truncate(21_000_000)
    (foreign.repository / "vocab.json").write_bytes(b"[" + b" " * 1_500_000 + b"]")
    placed = ask(foreign, foreign.changed([BETTER]))
    assert placed.refused is None
    assert {one.path: one.kind for one in placed.inputs} == {
        "data": "data",
        "models": "ignored",
        "src/netlib/_ext.so": "native",
        "vocab.json": "big",
    }


@links_needed
def test_link_folders_and_kept_out_places(foreign: Foreign) -> None:
    write_files(foreign.repository, {"sets/a/x.csv": "1", "hidden/sealed/x": "1", "hidden/y": "1"})
    rules = CodeRules(keep_out=(foreign.repository / "hidden" / "sealed",), link_folders=("sets", "hidden"))
    opened = open_checkout(foreign.request(rules=rules))
    assert not apply_edits(opened, [BETTER])
    placed = ask(foreign, collect(opened), request={"rules": rules})
    assert sorted(one.path for one in placed.inputs) == ["data", "sets"]


@links_needed
def test_a_checkout_that_was_changed_since_is_made_equal_again(foreign: Foreign) -> None:
    change = foreign.changed([BETTER])
    checkout = foreign.checkouts / "c1"
    write_files(checkout, {"src/netlib/model.py": "evil", "sitecustomize.py": "evil"})
    placed = ask(foreign, change)
    assert placed.refused is None
    assert (checkout / "src/netlib/model.py").read_text(encoding="utf-8") == 'NAME = "second"\n'
    assert not (checkout / "sitecustomize.py").exists()


@pytest.mark.parametrize("folder", ["..", "/tmp", "none", "train.py", "src/../..", "C:\\x"])
def test_a_working_folder_that_is_none_is_refused(foreign: Foreign, folder: str) -> None:
    placed = ask(foreign, foreign.changed([BETTER]), working_folder=folder)
    assert placed.refused is not None and "working_folder" in placed.refused


@links_needed
def test_a_working_folder_and_a_relative_climb_inside(foreign: Foreign) -> None:
    write_files(foreign.repository, {"exp/go.py": "import netlib.model\n"})
    change = foreign.changed([BETTER])
    placed = ask(foreign, change, "python ../train.py", working_folder="exp\\")
    assert placed.refused is None and placed.cwd.endswith("exp")


def test_where_no_link_can_be_made_the_place_is_refused(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(link: Path, target: Path) -> None:
        raise OSError(50, "The request is not supported")

    monkeypatch.setattr("llm_loop.versions.linking.make_folder_link", cannot)
    placed = ask(foreign, foreign.changed([BETTER]))
    assert (
        placed.refused is not None and "not supported" in placed.refused and "cannot be changed here" in placed.refused
    )


@pytest.mark.skipif(os.name != "nt", reason="what Windows itself says")
def test_a_junction_is_made_or_refused(tmp_path: Path, foreign: Foreign) -> None:
    try:
        links.make_folder_link(tmp_path / "link", foreign.repository)
    except OSError:
        placed = ask(foreign, foreign.changed([BETTER]))
        assert placed.refused is not None and "link" in placed.refused
    else:
        assert links.is_link((tmp_path / "link").lstat())
        links.remove_link(tmp_path / "link")
        assert (foreign.repository / "train.py").exists()


@links_needed
def test_a_real_folder_where_outputs_belong_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    placed = ask(foreign, foreign.changed([BETTER]))
    (Path(placed.checkout) / "runs").mkdir()
    with pytest.raises(CodeRefused, match="no link"):
        lead_outputs(placed.to_json(), tmp_path / "run")


@links_needed
def test_a_forced_checkout_without_a_change_needs_no_proof(foreign: Foreign) -> None:
    placed = ask(foreign, foreign.changed([]))
    assert placed.refused is None and placed.proofs == ()


@links_needed
def test_a_workspace_that_is_the_repository_itself(tmp_path: Path) -> None:
    made = make_foreign(tmp_path)
    foreign = Foreign(workspace=made.repository, repository=made.repository)
    (foreign.repository / ".venv").mkdir()
    (foreign.repository / ".venv" / "pyvenv.cfg").write_text("", encoding="utf-8")
    with (foreign.repository / ".venv" / "big").open("wb") as stream:
        stream.truncate(21_000_000)
    before = fingerprint(foreign.repository)
    rules = CodeRules(keep_out=(foreign.repository / ".llm_loop", foreign.repository / ".venv"))
    opened = open_checkout(foreign.request(rules=rules))
    assert not apply_edits(opened, [BETTER])
    command = f"python {{workspace}}/train.py --init '{foreign.workspace}/.llm_loop/runs/R0001/attempt-1/best.pt'"
    placed = ask(foreign, collect(opened), command, request={"rules": rules})
    assert placed.refused is None
    assert placed.command == command.replace("{workspace}", "{workspace}/.llm_loop/checkouts/c1")
    assert [one.path for one in placed.inputs] == [".venv", "data"]
    run_folder = foreign.workspace / ".llm_loop/runs/R0002/attempt-1"
    lead_outputs(placed.to_json(), run_folder)
    assert run_placed(placed.to_json(), run_folder, foreign.workspace) == ""
    assert result(run_folder)["model"] == "second"
    assert {path: said for path, said in fingerprint(foreign.repository).items() if ".llm_loop" not in path} == before


# ---------------------------------------------------------------- the proof


def environment(tmp_path: Path, *, pth: str = "", files: dict[str, str] | None = None) -> Path:
    """Make a Python environment of its own and return its interpreter."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    write_files(site, {"theirs.pth": pth, **(files or {})})
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


FIRST_FINDER = """\
import sys, importlib.util, os
ROOT = {root!r}
class Finder:
    def find_spec(self, name, path=None, target=None):
        place = os.path.join(ROOT, *name.split("."))
        if os.path.isfile(place + "/__init__.py"):
            where = [place]
            file = place + "/__init__.py"
            return importlib.util.spec_from_file_location(name, file, submodule_search_locations=where)
        if os.path.isfile(place + ".py"):
            return importlib.util.spec_from_file_location(name, place + ".py")
sys.meta_path.insert(0, Finder())
"""


@links_needed
def test_an_editable_install_behind_the_checkout_is_fine(foreign: Foreign, tmp_path: Path) -> None:
    python = environment(tmp_path, pth=f"{foreign.repository}/src\n")
    placed = ask_with(foreign, python, [BETTER])
    assert placed.refused is None and placed.proofs[0].module == "netlib.model"


def ask_with(foreign: Foreign, python: Path, edits: list[Edit], command: str = "python train.py") -> Place:
    change = foreign.changed(edits)
    assert not change.refusals, change.refusals
    return place(
        PlaceRequest(
            checkout=foreign.request(change.checkout), change=change, command=command, shell=SHELL, train_python=python
        )
    )


@links_needed
def test_an_editable_install_that_goes_first_is_found_out(foreign: Foreign, tmp_path: Path) -> None:
    finder = FIRST_FINDER.format(root=f"{foreign.repository}/src")
    python = environment(tmp_path, pth="import first_finder\n", files={"first_finder.py": finder})
    placed = ask_with(foreign, python, [BETTER])
    assert placed.refused == (
        "your edit of src/netlib/model.py would not have run: netlib.model is imported from the repository itself"
    )


@links_needed
def test_an_editable_install_of_another_layout_is_found_out(foreign: Foreign, tmp_path: Path) -> None:
    write_files(foreign.repository, {"lib/deep/__init__.py": "", "lib/deep/net.py": "A = 1\n"})
    python = environment(tmp_path, pth=f"{foreign.repository}/lib\n")
    placed = ask_with(foreign, python, [Edit(path="lib/deep/net.py", new_text="A = 2\n")])
    assert placed.refused is not None and "deep.net is imported from the repository itself" in placed.refused


@links_needed
def test_an_installed_copy_of_another_layout_is_found_out(foreign: Foreign, tmp_path: Path) -> None:
    write_files(foreign.repository, {"lib/helper_of_theirs.py": "A = 1\n", "lib/ns/net.py": "A = 1\n"})
    installed = {"helper_of_theirs.py": "A = 1\n", "ns/__init__.py": "", "ns/net.py": "B = 1\n"}
    python = environment(tmp_path, files=installed)
    one = ask_with(foreign, python, [Edit(path="lib/helper_of_theirs.py", new_text="A = 2\n")])
    assert one.refused is not None and "helper_of_theirs is imported from" in one.refused
    other = ask_with(foreign, python, [Edit(path="lib/ns/net.py", new_text="A = 2\n")])
    assert other.refused is not None and "ns.net is imported from" in other.refused


@links_needed
def test_a_namespace_package_is_proven_unless_a_real_one_hides_it(foreign: Foreign, tmp_path: Path) -> None:
    write_files(foreign.repository, {"space/inner/deep/net.py": "A = 1\n"})
    edit = Edit(path="space/inner/deep/net.py", new_text="A = 2\n")
    plain = environment(tmp_path / "one", pth=f"{foreign.repository}\n")
    placed = ask_with(foreign, plain, [edit])
    assert placed.refused is None and placed.proofs[0].module == "space.inner.deep.net"
    hiding = environment(tmp_path / "two", files={"space/__init__.py": ""})
    hidden = ask_with(foreign, hiding, [edit])
    assert hidden.refused is not None and "would not have run" in hidden.refused


@links_needed
@pytest.mark.parametrize(
    ("path", "command", "fine"),
    [
        ("tools/my-train.py", "python tools/my-train.py", True),
        ("tools/my-train.py", "cd tools && python my-train.py", True),
        ("tools/my-train.py", "python train.py", False),
        ("tools/my-train.py", "bash go.sh", True),
        ("tools/helper.py", "python train.py", True),
        ("train.py", "python train.py", True),
        ("src/netlib/__init__.py", "python train.py", True),
        ("tests/test_x.py", "python train.py", True),
    ],
)
def test_scripts_are_proven_by_the_command(foreign: Foreign, path: str, command: str, fine: bool) -> None:
    write_files(foreign.repository, {"tools/my-train.py": "1", "tools/helper.py": "1", "tests/test_x.py": "1"})
    write_files(foreign.repository, {"go.sh": 'set -e\nexec python tools/my-train.py "$@"\n'})
    placed = ask(foreign, foreign.changed([Edit(path=path, new_text="A = 2\n")]), command)
    assert (placed.refused is None) == fine, placed.refused
    assert fine or "would not have run" in str(placed.refused)


@links_needed
@pytest.mark.parametrize(
    ("command", "fine"),
    [
        ("python -I train.py", False),
        ("python -E -u train.py", False),
        ("PYTHONPATH=src python train.py", True),
        ("PYTHONPATH=nothing python train.py", False),
        ("export PYTHONPATH=src:$PYTHONPATH; python train.py", True),
        ("PYTHONPATH=other${PYTHONPATH:+:$PYTHONPATH} python train.py", True),
        ("PYTHONPATH=$(./where.sh) python train.py", False),
        ("OMP_NUM_THREADS=1 python -u train.py", True),
        ("torchrun --nproc 1 train.py", True),
    ],
)
def test_the_search_path_of_the_command_itself_counts(foreign: Foreign, command: str, fine: bool) -> None:
    placed = ask(foreign, foreign.changed([BETTER]), command)
    assert (placed.refused is None) == fine, placed.refused


@links_needed
def test_code_that_does_not_compile_is_refused_before_it_costs_a_run(foreign: Foreign) -> None:
    placed = ask(foreign, foreign.changed([Edit(path="src/netlib/model.py", new_text="def (:\n")]))
    assert placed.refused is not None and "does not compile (line 1" in placed.refused


@links_needed
def test_the_proof_runs_nothing_of_the_repository(foreign: Foreign, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    evil = f"open({str(marker)!r}, 'w')\n"
    edits = [Edit(path="src/netlib/__init__.py", new_text=evil), Edit(path="src/netlib/model.py", new_text=evil)]
    assert ask(foreign, foreign.changed(edits)).refused is None
    assert not marker.exists()


@links_needed
def test_a_python_that_hangs_or_fails_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    change = foreign.changed([BETTER])
    hung = environment(tmp_path, pth="import time; time.sleep(60)\n")
    request = PlaceRequest(
        checkout=foreign.request(), change=change, command="python train.py", shell=SHELL, train_python=hung,
        proof_seconds=1.0,
    )  # fmt: skip
    assert "deadline" in str(place(request).refused)
    missing = ask(foreign, change, "/nowhere/python train.py")
    assert missing.refused is None  # not a program: the training Python is asked
    nobody = PlaceRequest(
        checkout=foreign.request(), change=change, command="go", shell=SHELL, train_python=tmp_path / "no" / "python"
    )
    assert "cannot be asked" in str(place(nobody).refused)


@links_needed
def test_what_python_itself_runs_at_its_start_sees_no_secret(
    foreign: Foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``sitecustomize`` of the checkout runs when the training Python is asked, as it will in the run."""
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
    seen = tmp_path / "seen.txt"
    text = f"import os\nwith open({str(seen)!r}, 'w') as out:\n    out.write(repr(dict(os.environ)))\n"
    change = foreign.changed([Edit(path="sitecustomize.py", new_text=text)])
    assert ask(foreign, change).refused is None
    assert "PYTHONPATH" in seen.read_text(encoding="utf-8") and "s3cret" not in seen.read_text(encoding="utf-8")
