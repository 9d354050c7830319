"""Installs into a real second environment: done, verified, refused, taken back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_loop.errors import ContractError
from llm_loop.repairs.in_use import is_being_changed, lock_of
from llm_loop.repairs.record import RecordState, read_record
from llm_loop.system.instance_lock import InstanceLock
from tests.conftest import eventually
from tests.repairs.conftest import Training, make_training, site_packages, unpack
from tests.repairs.wheels import make_source

BROKEN = {"broken.py": "import nowhere_to_be_found\n"}
AS_IT_WAS = {"torch": "2.0"}


def test_a_package_is_installed_verified_and_undone(training: Training) -> None:
    training.add("helper", "1.5")
    training.add("einops", "0.8", requires=["helper>=1"])
    done = training.install("einops>=0.5", import_names=["einops"])
    assert (done["state"], done["reason"], done["why"]) == ("installed", None, None)
    assert {one["name"]: one["version"] for one in done["added"]} == {"einops": "0.8", "helper": "1.5"}
    assert all(len(one["sha256"]) == 64 for one in done["added"]) and done["changed"] == []
    assert training.versions() == {"torch": "2.0", "einops": "0.8", "helper": "1.5"}
    assert done["environment"]["versions"]["einops"] == "0.8"
    assert (done["pip"]["success"], sorted(done["pip"]["packages"])) == (True, ["einops==0.8", "helper==1.5"])
    assert "--dry-run" in Path(done["pip"]["log_file"]).read_text(encoding="utf-8")

    undone = training.undo(done)
    assert (undone["state"], undone["why"]) == ("undone", None)
    assert training.versions() == AS_IT_WAS and not training.can_import("einops")
    assert training.undo(done)["state"] == "undone"  # once more changes nothing


@pytest.mark.slow
def test_what_was_replaced_comes_back(training: Training) -> None:
    training.add("numbers_lib", "1.0")
    unpack(training, "numbers_lib", "1.0")
    training.add("numbers_lib", "2.0")
    training.add("needs_two", requires=["numbers_lib>=2"])
    done = training.install("needs_two", import_names=["needs_two"])
    assert [(one["name"], one["from"], one["to"]) for one in done["changed"]] == [("numbers-lib", "1.0", "2.0")]
    assert training.versions()["numbers_lib"] == "2.0"
    for wheel in training.packages.glob("numbers_lib-1.0*"):  # the index forgets it
        wheel.unlink()
    assert training.undo(done)["state"] == "undone"
    assert training.versions() == {"torch": "2.0", "numbers_lib": "1.0"} and training.can_import("numbers_lib")


@pytest.mark.slow
def test_what_is_installed_stays_at_its_version_where_it_can(training: Training) -> None:
    training.add("numbers_lib", "1.0")
    unpack(training, "numbers_lib", "1.0")
    training.add("numbers_lib", "2.0")
    training.add("einops", "1.0", requires=["numbers_lib"])
    training.add("einops", "2.0", requires=["numbers_lib>=2"])
    assert training.install("einops", import_names=["einops"])["changed"] == []
    assert training.versions() == {"torch": "2.0", "numbers_lib": "1.0", "einops": "1.0"}


@pytest.mark.slow
def test_no_change_without_a_way_back(training: Training) -> None:
    training.add("numbers_lib", "1.0")
    unpack(training, "numbers_lib", "1.0")
    (training.packages / "numbers_lib-1.0-py3-none-any.whl").unlink()
    training.add("numbers_lib", "2.0")
    done = training.install("numbers_lib>=2")
    assert (done["state"], done["reason"]) == ("refused", "cannot_undo")
    assert training.versions() == {"torch": "2.0", "numbers_lib": "1.0"}


def test_what_is_there_already_is_no_repair(training: Training) -> None:
    done = training.install("torch", import_names=["torch"])
    assert (done["state"], done["added"], done["record"]) == ("unchanged", [], None)
    done = training.install("torch", import_names=["torch.nn"])
    assert (done["state"], done["reason"]) == ("failed", "not_importable")


@pytest.mark.parametrize(
    ("wanted", "needs", "words"),
    [("timm2", "torch>=3", "torch than 2.0"), ("torch>=3", "", "torch than 2.0"), ("smp", "timm", "add timm")],
)
def test_a_protected_package_is_not_touched(training: Training, wanted: str, needs: str, words: str) -> None:
    training.add("torch", "3.0")
    training.add("timm")
    if needs:
        training.add(wanted, requires=[needs])
    done = training.install(wanted)
    assert (done["state"], done["reason"], done["pip"]["attempted"]) == ("refused", "protected", False)
    assert words in done["why"]
    assert training.versions() == AS_IT_WAS


def test_a_protected_package_that_is_missing_may_be_asked_for(training: Training) -> None:
    training.add("timm")
    assert training.install("timm", import_names=["timm"])["state"] == "installed"


@pytest.mark.slow
def test_a_failing_import_takes_the_install_back(training: Training) -> None:
    training.add("broken", files=BROKEN, requires=["helper"])
    training.add("helper")
    done = training.install("broken", import_names=["broken"])
    assert (done["state"], done["reason"]) == ("failed", "not_importable")
    assert "No module named 'nowhere_to_be_found'" in done["why"]
    assert sorted(one["name"] for one in done["added"]) == ["broken", "helper"]
    assert training.versions() == AS_IT_WAS
    assert json.loads(Path(done["record"]).read_text(encoding="utf-8"))["state"] == "undone"


@pytest.mark.slow
def test_an_import_that_ends_its_program_is_a_failure(training: Training) -> None:
    training.add("quits", files={"quits.py": "import os; os._exit(0)\n"})
    done = training.install("quits", import_names=["quits"])
    assert (done["state"], done["reason"]) == ("failed", "not_importable") and training.versions() == AS_IT_WAS


@pytest.mark.slow
def test_nothing_is_built_from_source_unless_allowed(training: Training, tmp_path: Path) -> None:
    source = make_source(tmp_path / "sources" / "sourced-1.0", "sourced")
    about = "Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n"
    (source / "PKG-INFO").write_text(about, encoding="utf-8")
    shutil.make_archive(str(training.packages / "sourced-1.0"), "gztar", source.parent, source.name)
    done = training.install("sourced", import_names=["sourced"])
    assert (done["state"], done["reason"]) == ("refused", "not_available")
    assert training.versions() == AS_IT_WAS
    done = training.install("sourced", import_names=["sourced"], allow_source=True)
    assert (done["state"], done["why"]) == ("installed", None)


def test_what_no_index_holds_is_said(training: Training) -> None:
    done = training.install("no-such-package-here")
    assert (done["state"], done["reason"]) == ("refused", "not_available")
    assert "no-such-package-here" in done["why"]


HOSTILE = (
    "os; rm -rf /",
    "--index-url=http://evil.example",
    "-r/etc/passwd",
    "../x",
    "./x",
    "/tmp/x.whl",
    "a@http://evil.example/a.whl",
    "a @ file:///tmp/a",
    "git+https://evil.example/a",
    "einops --pre",
    "einops\n--pre",
    "einops; os.system('x')",
    "einops $(touch x)",
    "einops===1.0",
    "x" * 5000,
    "",
    "llm_loop",
    "pip",
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_never_reaches_pip(tmp_path: Path, text: str) -> None:
    from llm_loop.repairs.install import answer_of

    request = Training(root=tmp_path, python=tmp_path / "python", packages=tmp_path).request(text)
    done = answer_of(request, tmp_path)
    assert done["state"] == "refused" and done["reason"] in ("not_allowed", "protected")
    assert list(tmp_path.iterdir()) == []


def test_never_the_environment_of_the_loop(training: Training, tmp_path: Path) -> None:
    for python in (sys.executable, getattr(sys, "_base_executable", sys.executable)):
        if sys.prefix == sys.base_prefix or python == sys.executable:
            done = training.install("einops", python=python)
            assert (done["state"], done["reason"]) == ("refused", "own_environment")
    if os.name != "nt":  # another name of the same environment
        (tmp_path / "alias").symlink_to(sys.prefix, target_is_directory=True)
        done = training.install("einops", python=str(tmp_path / "alias" / "bin" / Path(sys.executable).name))
        assert (done["state"], done["reason"]) == ("refused", "own_environment")


def test_a_python_that_is_not_there_is_said(training: Training, tmp_path: Path) -> None:
    done = training.install("einops", python=str(tmp_path / "python"))
    assert (done["state"], done["reason"]) == ("refused", "no_python")


def test_never_while_a_run_or_another_install_uses_it(training: Training, tmp_path: Path) -> None:
    training.add("einops")
    attempt = tmp_path / "attempt-1"
    with InstanceLock(attempt / "keeper.lock"):
        done = training.install("einops", in_use_by=[str(attempt)])
        assert (done["state"], done["reason"]) == ("refused", "in_use")
    with InstanceLock(lock_of(training.python)):
        assert is_being_changed(training.python)
        done = training.install("einops")
        assert (done["state"], done["reason"]) == ("refused", "in_use")
    assert not is_being_changed(training.python)
    assert training.install("einops", in_use_by=[str(attempt)])["state"] == "installed"


@pytest.mark.slow
def test_settings_that_would_install_elsewhere_do_not_count(training: Training, tmp_path: Path) -> None:
    training.add("einops")
    request = training.request("einops", import_names=["einops"])
    done = training.answer(request, PIP_TARGET=str(tmp_path / "elsewhere"))
    assert (done["state"], done["why"]) == ("installed", None)
    assert training.versions()["einops"] == "1.0" and not (tmp_path / "elsewhere").exists()


def test_a_request_that_is_none_ends_with_a_line(training: Training) -> None:
    for request in ([], {"act": "dance"}, training.request("einops", python="python"), training.request()):
        child, _ = training.start(request)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 1 and err.startswith("install: ") and err.count("\n") == 1


def hanging_pip(training: Training, when: str) -> Path:
    """Give the environment a pip that hangs in the install itself, and says so in a file that it writes."""
    mark = training.root / "pip-hangs"
    code = f"""
import json, pathlib, subprocess, sys, sysconfig, time
site = pathlib.Path(sysconfig.get_path("purelib"))
words = sys.argv[1:]
if "--report" in words:
    item = {{"metadata": {{"name": "einops", "version": "1.0"}}, "download_info": {{"url": "file:///einops.whl"}}}}
    pathlib.Path(words[words.index("--report") + 1]).write_text(json.dumps({{"install": [item]}}))
if {when!r} in words:
    (site / "einops.py").write_text("half = 1")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path({str(mark)!r}).write_text(str(child.pid))
    time.sleep(600)
"""
    training.add("pip", "30.0", files={"pip/__init__.py": "", "pip/__main__.py": code})
    unpack(training, "pip", "30.0")
    return mark


def test_a_hanging_pip_is_ended_at_the_deadline_with_its_family(training: Training) -> None:
    from tests.system.held import is_alive

    mark = hanging_pip(training, when="--requirement")
    began = time.monotonic()
    done = training.install("einops", deadline_s=12)
    assert (done["state"], done["reason"]) == ("failed", "deadline")
    assert time.monotonic() - began < 40
    assert training.versions() == AS_IT_WAS and not training.can_import("einops")
    left = Path(done["record"]).with_name("record.leftovers")
    assert [file.name for file in left.rglob("*.py")] == ["einops.py"]
    if os.name != "nt":
        assert not is_alive(int(mark.read_text(encoding="utf-8")))


def test_an_install_that_was_killed_is_undone_by_its_record(training: Training) -> None:
    mark = hanging_pip(training, when="--requirement")
    request = training.request("einops")
    child, folder = training.start(request)
    eventually(mark.exists, 60)
    (folder / "STOP").touch()  # the loop ends: there is no time to take anything back
    child.communicate(timeout=60)
    done = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    assert (done["state"], done["reason"], done["needs_undo"]) == ("failed", "stopped", True)
    assert training.can_import("einops")
    assert read_record(Path(request["record"])).state is RecordState.INSTALLING
    assert training.undo(request)["state"] == "undone"
    assert training.versions() == AS_IT_WAS and not training.can_import("einops")


@pytest.mark.slow
def test_an_environment_without_pip_takes_the_one_that_came_with_its_python(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    training.add("einops")
    assert training.install("einops", import_names=["einops"])["state"] == "installed"
    assert training.versions() == AS_IT_WAS | {"einops": "1.0"}


@pytest.mark.slow
def test_the_pip_of_the_environment_itself(training: Training) -> None:
    subprocess.run([str(training.python), "-m", "ensurepip"], check=True, capture_output=True)
    training.add("einops")
    done = training.install("einops", import_names=["einops"])
    assert done["state"] == "installed" and training.undo(done)["state"] == "undone"
    assert training.versions().keys() - {"setuptools"} == AS_IT_WAS.keys()


@pytest.mark.slow
def test_the_name_of_a_hostile_package_gives_pip_no_option(training: Training) -> None:
    """What is installed is pinned in a file that pip reads options from too."""
    info = site_packages(training) / "foo-1.0.dist-info"
    info.mkdir()
    about = "Metadata-Version: 2.1\nName: foo\n --index-url=http://127.0.0.1:9/evil\nVersion: 1.0\n"
    (info / "METADATA").write_text(about, encoding="utf-8")
    training.add("einops", "0.8")
    done = training.install("einops", import_names=["einops"])
    assert (done["state"], done["why"]) == ("installed", None)
    job = training.root / f"job-{training.jobs}"
    assert "evil" not in (job / "constraints.txt").read_text(encoding="utf-8")
    assert "torch==2.0" in (job / "constraints.txt").read_text(encoding="utf-8")


def test_a_forged_record_gives_pip_no_option(training: Training) -> None:
    training.add("einops", "0.8")
    done = training.install("einops")
    record = Path(done["record"])
    value = json.loads(record.read_text(encoding="utf-8"))

    def read_with(name: str) -> object:
        value["steps"][0] |= {"name": name, "replaces": {"name": "x", "version": "1", "origin": None, "own": True}}
        record.write_text(json.dumps(value), encoding="utf-8")
        return read_record(record)

    assert read_with("einops")
    for name in ("--target=elsewhere", "einops --yes", "a\n-r b", ""):
        with pytest.raises(ContractError):
            read_with(name)


def test_an_undo_never_touches_the_environment_of_the_loop(training: Training) -> None:
    training.add("einops", "0.8")
    done = training.install("einops")
    record = Path(done["record"])
    value = json.loads(record.read_text(encoding="utf-8"))
    step = value["steps"][0] | {"name": "a-package-that-nobody-has"}  # were it not refused, nothing would be harmed
    forged = value | {"python": sys.executable, "prefix": os.path.realpath(sys.prefix), "steps": [step]}
    record.write_text(json.dumps(forged), encoding="utf-8")
    undone = training.undo(done)
    assert undone["state"] == "failed" and "the environment that the loop itself runs on" in undone["why"]
