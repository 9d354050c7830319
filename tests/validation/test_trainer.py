"""The reference trainer: its config is known in every key, and its dry run is made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.validation.conftest import POSIX_ONLY, Check, failure, no_failure, states, write

PRESETS = sorted((REPOSITORY / "config" / "trainer").glob("*.yaml"))
COMMAND = "python -m llm_loop.trainer --config a.yaml --output-dir {run_dir}"
FAKE = """\
import json, os, pathlib, subprocess, sys, time
words = sys.argv[1:]
if "--check" not in words:
    sys.exit("a training was started")
folder = pathlib.Path(os.environ["LLM_LOOP_RUN_DIR"])
mode = pathlib.Path("mode.txt").read_text() if pathlib.Path("mode.txt").exists() else ""
if mode == "old":
    print("usage: trainer\\ntrainer: error: unrecognized arguments: --check", file=sys.stderr)
    sys.exit(2)
if mode == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path("child.txt").write_text(str(child.pid))
    print("began", flush=True)
    time.sleep(600)
if mode == "fails":
    print("x" * 30_000, flush=True)
    print("Unsupported model.name: timm:nix", file=sys.stderr)
    sys.exit(2)
if mode == "loud":
    while True:
        print("x" * 100_000)
if mode == "killed":
    os.kill(os.getpid(), 9)
(folder / "left").mkdir()
print(json.dumps({"words": words, "files": sorted(one.name for one in folder.iterdir()), "env": dict(os.environ)}))
"""


@pytest.fixture
def trainer(repository: Path, tmp_path: Path) -> str:
    """A fake of the reference trainer of this version, on the path of the run; return its folder."""
    place = tmp_path / "loop"
    write(place, {"llm_loop/__init__.py": "", "llm_loop/trainer/__init__.py": "", "llm_loop/trainer/__main__.py": FAKE})
    (place / "llm_loop" / "contract").mkdir()
    shutil.copy(REPOSITORY / "llm_loop" / "contract" / "trainer.schema.json", place / "llm_loop" / "contract")
    write(repository, {"a.yaml": "schema_version: 1\noptimizer:\n  learning_rate: 1e-3\n"})
    return str(place)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_shipped_presets_pass(preset: Path, trainer: str, repository: Path, check: Check) -> None:
    (repository / "data" / "images").mkdir(parents=True)
    run_files = [{"name": "a.yaml", "text": preset.read_text(encoding="utf-8")}]
    answer = check(COMMAND.replace("a.yaml", "{run_dir}/a.yaml"), run_files=run_files, python_path=[trainer])
    no_failure(answer)
    assert [states(answer)[name] for name in ("files", "modules", "config", "room", "dry_run")] == ["passed"] * 5


@pytest.mark.parametrize(
    ("text", "words", "cause", "details", "line"),
    [
        ("optimizer: {lr: 1}", "", "config_key_unknown", {"key": "optimizer.lr"}, "nearest known key is optimizer."),
        ("optimiser: {lr: 1}", "", "config_key_unknown", {"key": "optimiser"}, "nearest known key is optimizer."),
        ("optimizer.learning_rate: 1", "", "config_invalid", {}, "nested, one section a level"),
        ("optimizer: {learning_rate: fast}", "", "config_invalid", {}, "optimizer.learning_rate"),
        ("optimizer: {learning_rate: 0}", "", "config_invalid", {}, "optimizer.learning_rate"),
        ("training: {epochs: 1}\ntraining: {epochs: 2}", "", "config_invalid", {}, "stands twice"),
        ("- a\n- b", "", "config_invalid", {}, "a mapping of keys is wanted"),
        ("a: [", "", "config_invalid", {}, "not valid YAML (line"),
        ("optimizer: {lr: 1}", " --set training.epochs=2", "config_key_unknown", {"key": "optimizer.lr"}, "nearest"),
    ],
)
def test_a_config_that_the_trainer_does_not_take(
    text: str, words: str, cause: str, details: dict[str, str], line: str, trainer: str, repository: Path, check: Check
) -> None:
    write(repository, {"a.yaml": text})
    found = failure(check(COMMAND + words, python_path=[trainer]))
    assert (found["name"], found["cause"], found["details"]) == ("config", cause, details)
    assert line in found["line"] and found["line"].startswith("a.yaml: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizer: {learning_rate: 1e-3, name: sgd}", ""),
        ("optimizer: {learning_rate: fast}", " --set optimizer.learning_rate=0.1"),
        ("optimizer: {lr: 1}", " --set=optimizer={learning_rate: 1}"),
        ("training: {epochs: 0}", " --set nix.key=1 --set training.epochs=2"),
        ("{}", " --set optimizer.lr=1"),  # left to the dry run
        ("{}", " --set"),
        ("{}", " --set x"),
    ],
)
def test_what_the_command_sets_is_left_to_the_dry_run(
    text: str, words: str, trainer: str, repository: Path, check: Check
) -> None:
    write(repository, {"a.yaml": text})
    command = COMMAND + (words if " {" not in words and ": " not in words else f" '{words.strip()}'")
    no_failure(check(command, python_path=[trainer]))


def test_a_trainer_of_another_version_knows_its_keys_itself(trainer: str, repository: Path, check: Check) -> None:
    write(repository, {"a.yaml": "optimizer: {brand_new: 1}"})
    write(Path(trainer), {"llm_loop/contract/trainer.schema.json": "{}"})
    answer = check(COMMAND, python_path=[trainer])
    no_failure(answer)
    assert states(answer)["config"] == "unknown"


def test_bytes_aliases_and_a_mark(trainer: str, repository: Path, check: Check) -> None:
    (repository / "a.yaml").write_bytes(b"\xef\xbb\xbfoptimizer:\r\n  learning_rate: 1e-3\r\n")
    no_failure(check(COMMAND, python_path=[trainer]))
    (repository / "a.yaml").write_bytes("a: größe".encode("latin-1"))
    assert failure(check(COMMAND, python_path=[trainer]))["cause"] == "config_invalid"
    bomb = "a: &a0 [x, x]\n" + "".join(f"b{n}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
    write(repository, {"a.yaml": bomb + "training: {epochs: *a60}\n"})
    assert states(check(COMMAND, python_path=[trainer]))["config"] == "unknown"


def test_a_missing_config_or_folder_of_images(trainer: str, repository: Path, check: Check) -> None:
    (repository / "a.yaml").unlink()
    assert failure(check(COMMAND, python_path=[trainer]))["cause"] == "config_invalid"
    write(repository, {"a.yaml": "data: {source: image_folder, root: images}\n"})
    found = failure(check(COMMAND, python_path=[trainer]))
    assert (found["name"], found["cause"], found["details"]) == ("data", "data", {"key": "data.root"})
    (repository / "other").mkdir()
    no_failure(check(f"{COMMAND} --set data.root=other", python_path=[trainer]))


@POSIX_ONLY
def test_a_folder_of_images_that_only_the_shell_knows(trainer: str, repository: Path, check: Check) -> None:
    write(repository, {"a.yaml": "data: {source: image_folder, root: images}\n"})
    no_failure(check(f"{COMMAND} --set data.root=$DATA", python_path=[trainer]))


def test_a_training_environment_without_the_trainer(repository: Path, check: Check) -> None:
    write(repository, {"a.yaml": "{}"})
    assert failure(check(COMMAND))["details"] == {"module": "llm_loop"}


def test_the_dry_run_gets_what_the_run_gets(
    trainer: str, repository: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    for name, value in {
        "MY_API_KEY": "secret",
        "LLM_LOOP_X": "1",
        "PYTHONPATH": "/nix",
        "CUDA_VISIBLE_DEVICES": "3",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LLM_LOOP_RUN", "tag-of-the-job")
    run_files = [{"name": "a.yaml", "text": "{}"}]
    command = COMMAND.replace("a.yaml", "{run_dir}/a.yaml") + " --set training.epochs=2"
    dry = check(command, run_files=run_files, python_path=[trainer])["dry_run"]
    assert (dry["exit_code"], dry["stderr"]) == (0, "")
    said = json.loads(dry["stdout"])
    run_dir = said["env"]["LLM_LOOP_RUN_DIR"]
    assert said["words"] == [
        "--config", f"{run_dir}/a.yaml", "--output-dir", run_dir, "--set", "training.epochs=2", "--check"
    ]  # fmt: skip
    assert said["files"] == ["a.yaml", "left"]
    env = said["env"]
    assert "MY_API_KEY" not in env and "LLM_LOOP_X" not in env
    assert (env["PYTHONPATH"], env["CUDA_VISIBLE_DEVICES"], env["LLM_LOOP_CHECK_HIDES_DEVICES"]) == (trainer, "", "1")
    assert (env["LLM_LOOP_RUN"], env["PYTHONUTF8"]) == ("tag-of-the-job", "1")
    assert not Path(run_dir).exists()


@POSIX_ONLY
@pytest.mark.parametrize(
    "command", [f"cd . && CUDA_VISIBLE_DEVICES=1 {COMMAND} | tee log", f"nice -n 1 {COMMAND} > log 2>&1"]
)
def test_a_dry_run_out_of_a_shell(command: str, trainer: str, check: Check) -> None:
    dry = check(command, python_path=[trainer])["dry_run"]
    assert dry["exit_code"] == 0 and '"CUDA_VISIBLE_DEVICES": ""' in dry["stdout"]


@POSIX_ONLY
@pytest.mark.parametrize("command", [f"for x in 1; do {COMMAND}; done", f"{COMMAND} --set training.seed=$SEED"])
def test_no_dry_run_where_only_the_shell_knows(command: str, trainer: str, check: Check) -> None:
    answer = check(command, python_path=[trainer])
    assert (states(answer)["dry_run"], answer["dry_run"]) == ("skipped", None)


def test_a_dry_run_that_fails_is_told_with_its_words(trainer: str, repository: Path, check: Check) -> None:
    write(repository, {"mode.txt": "fails"})
    answer = check(COMMAND, python_path=[trainer])
    found = failure(answer)
    assert (found["name"], found["cause"], found["line"]) == ("dry_run", None, "Unsupported model.name: timm:nix")
    assert (answer["dry_run"]["exit_code"], len(answer["dry_run"]["stdout"])) == (2, 24_000)
    assert "Unsupported model.name: timm:nix" in answer["dry_run"]["stderr"]


def test_a_trainer_without_the_flag_is_skipped(trainer: str, repository: Path, check: Check) -> None:
    write(repository, {"mode.txt": "old"})
    answer = check(COMMAND, python_path=[trainer])
    assert (states(answer)["dry_run"], answer["dry_run"]) == ("skipped", None)


def test_a_dry_run_that_hangs_ends_with_all_it_started(trainer: str, repository: Path, check: Check) -> None:
    psutil = pytest.importorskip("psutil")
    write(repository, {"mode.txt": "hangs"})
    answer = check(COMMAND, python_path=[trainer], deadline_s=5)
    no_failure(answer)
    assert states(answer)["dry_run"] == "unknown"
    assert answer["dry_run"]["exit_code"] is None and answer["dry_run"]["stdout"] == f"began{os.linesep}"
    assert not psutil.pid_exists(int((repository / "child.txt").read_text()))


@POSIX_ONLY
@pytest.mark.parametrize("mode", ["loud", "killed"])
def test_a_dry_run_that_is_ended_says_nothing_about_the_run(
    mode: str, trainer: str, repository: Path, check: Check
) -> None:
    write(repository, {"mode.txt": mode})
    answer = check(COMMAND, python_path=[trainer])
    no_failure(answer)
    assert states(answer)["dry_run"] == "unknown"


FOREIGN = {
    "train.py": "import torch\n",
    "look.py": "import os, sys\nprint(os.environ['LLM_LOOP_CHECKED_COMMAND'], *sys.argv[1:])\n",
}


def test_a_foreign_trainer_has_the_command_of_the_person(repository: Path, check: Check) -> None:
    write(repository, FOREIGN | {"bad.py": "raise ValueError('no such loss')\n"})
    answer = check("python train.py --lr 1", validate_command="python look.py {run_dir} {workspace}")
    no_failure(answer)
    said = answer["dry_run"]["stdout"]
    assert said.startswith("python train.py --lr 1 ") and said.endswith(f" {repository.parent}{os.linesep}")
    answer = check("python train.py", validate_command="python bad.py")
    assert failure(answer)["line"] == "ValueError: no such loss"
    assert answer["dry_run"]["exit_code"] == 1


@pytest.mark.parametrize("command", ["nix_program", "'open", pytest.param("python nix.py | | x", marks=POSIX_ONLY)])
def test_a_validate_command_that_is_wrong_keeps_nobody_out(command: str, repository: Path, check: Check) -> None:
    write(repository, FOREIGN)
    answer = check("python train.py", validate_command=command)
    no_failure(answer)
    assert states(answer)["dry_run"] == "unknown"


@POSIX_ONLY
def test_a_validate_command_of_a_shell(repository: Path, check: Check) -> None:
    write(repository, FOREIGN)
    good = check("python train.py", validate_command="cd . && python look.py | grep train && true")
    assert states(good)["dry_run"] == "passed"
    assert states(check("python train.py", validate_command="cd . && nix_program"))["dry_run"] == "unknown"
