"""The command itself, as the loop starts it: files, exit codes, polite endings."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.contract.result import Result
from llm_loop.contract.trainer_settings import known_keys
from tests.trainer.conftest import command, environment

REPOSITORY = Path(__file__).resolve().parents[2]


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_training_leaves_its_files(finished) -> None:
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == {
        "metrics.jsonl",
        "metrics.json",
        "resolved_config.yaml",
        "environment.json",
        "best_model.pt",
        "predictions.npz",
        "predictions.png",
        "result.json",
        "curves.png",
    }


def test_the_result_keeps_its_contract(finished, result) -> None:
    rows = lines_of(finished[0] / "metrics.jsonl")
    told = Result.from_json(result)
    assert told.value == min(row["val_log_loss"] for row in rows)
    assert told.interval is not None and told.interval[0] < told.value < told.interval[1]
    assert (told.n, told.epochs_run, told.stopped_early, told.test_opened) == (540, 3, False, False)
    assert told.sealed_hash is not None and told.sealed_hash.startswith("sha256:")
    assert told.budget == {"epochs": 3, "max_minutes": None, "threads": 1, "train_images": 300}
    assert told.params is not None and list(told.params) == known_keys()
    assert told.params["model.width"] == 4


def test_every_epoch_is_a_line_on_disk_and_on_screen(finished) -> None:
    folder, printed = finished
    rows = lines_of(folder / "metrics.jsonl")
    assert [(row["epoch"], row["epochs"]) for row in rows] == [(1, 3), (2, 3), (3, 3)]
    assert {"train_loss", "val_log_loss", "val_accuracy", "val_macro_f1", "seconds"} <= rows[0].keys()
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["history"] == rows
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("epoch ")] == ["1/3", "2/3", "3/3"]


def test_the_environment_is_told_without_secrets(finished) -> None:
    facts = json.loads((finished[0] / "environment.json").read_text(encoding="utf-8"))
    assert (facts["threads"], facts["device"], facts["torchvision_guard"]) == (1, "cpu", None)
    assert (facts["data"]["train_images"], facts["data"]["sealed_test"]["count"]) == (300, 957)
    assert not set(facts) & {"environ", "PATH", "HOME"}


def test_help_tells_the_exit_codes_and_needs_no_torch() -> None:
    code = (
        "import sys, runpy\nsys.argv[1:] = ['--help']\ntry: runpy.run_module('llm_loop.trainer', run_name='__main__')\n"
    )
    code += "except SystemExit: print(sorted({'torch', 'numpy', 'timm'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=REPOSITORY, timeout=60, check=True
    )
    assert all(f"\n  {code}  " in done.stdout for code in range(7))
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.name=resnet9000", "Unsupported model.name: resnet9000"),
        (
            "optimizer.learning_rat=1",
            "unknown key optimizer.learning_rat; the nearest known key is optimizer.learning_rate",
        ),
    ],
)
def test_a_bad_config_ends_with_2_before_anything_is_written(
    trainings, digits_config: Path, tmp_path: Path, override: str, line: str
) -> None:
    done = trainings.run(digits_config, tmp_path / "out", override)
    assert done.returncode == 2 and done.stdout == ""
    assert line in done.stderr.splitlines()[0] and len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "out").exists()


def test_an_unknown_timm_name_has_the_same_line(trainings, digits_config: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    done = trainings.run(digits_config, tmp_path, "model.name=timm:resnet18x")
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first == "Unsupported model.name: timm:resnet18x" and second.endswith("the nearest: timm:resnet18")


def test_a_timm_model_trains_on_a_folder(trainings, image_root: Path, digits_config: Path, tmp_path: Path) -> None:
    (image_root / "dark" / "broken.png").write_bytes(b"\x89PNG")
    done = trainings.run(
        digits_config.with_name("image_folder.yaml"),
        tmp_path / "out",
        f"data.root={json.dumps(str(image_root))}",
        "data.image_size=32",
        "model.name=timm:test_resnet",
        "training.epochs=1",
        "training.device=cpu",
    )
    assert done.returncode == 0, done.stderr
    assert "dark/broken.png" in done.stderr and "1 broken image(s) skipped" in done.stderr
    facts = json.loads((tmp_path / "out" / "environment.json").read_text(encoding="utf-8"))
    assert facts["torchvision_guard"] in {"native", "schemas-only"}
    assert Result.from_json(json.loads((tmp_path / "out" / "result.json").read_bytes())).model == "timm:test_resnet"


def test_no_data_ends_with_3(trainings, digits_config: Path, tmp_path: Path) -> None:
    done = trainings.run(digits_config, tmp_path / "out", "data.source=image_folder", "data.root=no-such-folder")
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1 and "no-such-folder" in done.stderr


def test_a_diverging_run_ends_with_4(trainings, digits_config: Path, tmp_path: Path) -> None:
    done = trainings.run(digits_config, tmp_path, "optimizer.learning_rate=1e30", "model.norm=none")
    assert done.returncode == 4
    assert "epoch 1" in done.stderr and "learning_rate" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(trainings, digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = trainings.run(digits_config, tmp_path / "file" / "out")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "file" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_weights_that_cannot_be_written_are_one_line(digits_config: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command(digits_config, tmp_path, "training.epochs=1")]
    done = subprocess.run(limited, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "best_model.pt" in done.stderr and "too large" in done.stderr
    assert not (tmp_path / "result.json").exists()


def test_a_stop_file_ends_a_training_politely(trainings, digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    child = trainings.start(
        digits_config, tmp_path / "out", "training.epochs=100000", LLM_LOOP_RUN_DIR=str(tmp_path / "run")
    )
    (tmp_path / "run" / "STOP").touch()
    printed, _ = child.communicate(timeout=60)
    told = Result.from_json(json.loads((tmp_path / "out" / "result.json").read_bytes()))
    assert child.returncode == 0 and told.stopped_early and "STOP file" in printed
    assert told.epochs_run == len(lines_of(tmp_path / "out" / "metrics.jsonl"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_sigint_ends_a_training_politely(trainings, digits_config: Path, tmp_path: Path) -> None:
    child = trainings.start(digits_config, tmp_path, "training.epochs=100000")
    child.send_signal(signal.SIGINT)
    printed, _ = child.communicate(timeout=60)
    assert child.returncode == 0 and "SIGINT" in printed and "Traceback" not in printed
    assert Result.from_json(json.loads((tmp_path / "result.json").read_bytes())).stopped_early


def test_only_models_names_timm_and_nobody_names_the_heavy_ones_at_the_top() -> None:
    """The cheap path stays cheap: torchvision and timm are imported inside functions, torch never by the wall."""
    for path in sorted((REPOSITORY / "llm_loop" / "trainer").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in top for alias in node.names} | {getattr(node, "module", None) for node in top}
        roots = {name.partition(".")[0] for name in names if name}
        assert not roots & {"torchvision", "timm", "segmentation_models_pytorch", "sklearn", "matplotlib"}, path.name
        assert not (path.name in {"__main__.py", "__init__.py", "settings_file.py"} and "torch" in roots), path.name
