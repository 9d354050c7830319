"""Whatever has a state of its own is gone on with too: broken off, killed or unbroken, the numbers are the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import numpy as np  # noqa: E402

from llm_loop.contract.run import CHECKPOINT  # noqa: E402
from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.checkpoint import Resume  # noqa: E402
from llm_loop.trainer.rescore import rescore  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import train  # noqa: E402
from tests.conftest import eventually  # noqa: E402
from tests.trainer.conftest import REPOSITORY, Trainings  # noqa: E402
from tests.trainer.test_checkpoint import StopAfter, numbers, same_weights  # noqa: E402

DIGITS = ("digits_fast", "model.width=4", "training.device=cpu", "optimizer.name=adamw")
FRACTURES = (
    *("fracture_demo", "data.image_size=32", "data.train_images=32", "data.val_images=16", "training.batch_size=8"),
    *("model.width=2", "model.depth=3", "optimizer.learning_rate=0.003"),
)
FEATURES = {
    "average": (*DIGITS, "training.ema_decay=0.9"),
    "balanced": (*DIGITS, "training.sampling=balanced"),
    "statistics": (*DIGITS, "model.reestimate_batch_norm=3", "model.dropout=0.3"),
    "mixing": (*DIGITS, "augmentation.mixup=0.3", "augmentation.cutmix=1.0"),
    "hard negatives": (*FRACTURES, "training.sampling=hard_negative"),
    "dual head": (
        *(*FRACTURES, "task=dual_head", "model.name=simple_unet_dual_head", "training.sampling=hard_negative"),
        *("training.ema_decay=0.8", "model.reestimate_batch_norm=2", "augmentation.preset=strong"),
        *("evaluation.tta=flip", "evaluation.tune_threshold=true", "loss.presence_warmup_epochs=3"),
    ),
}


def run(feature: str, folder: Path, *words: str, stop: StopRequest | None = None, resume: Path | None = None) -> dict:
    """Train in this process; return the result."""
    preset, *others = FEATURES[feature]
    settings = settings_file.load(REPOSITORY / "config" / "trainer" / f"{preset}.yaml", [*others, *words])
    order = None if resume is None else Resume(path=resume, is_order=True)
    train(settings, folder, stop or StopRequest(folder), order)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def rows(folder: Path) -> list[dict]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in found]


def same_predictions(one: Path, other: Path) -> bool:
    with np.load(one / "predictions.npz") as first, np.load(other / "predictions.npz") as second:
        return all(np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first)


def assert_same(whole: Path, on: Path) -> None:
    assert rows(on) == rows(whole)
    told, again = (json.loads((folder / "result.json").read_text(encoding="utf-8")) for folder in (whole, on))
    assert numbers(again) == numbers(told)
    assert same_weights(whole, on) and same_predictions(whole, on)


@pytest.mark.parametrize("feature", FEATURES)
def test_what_has_a_state_is_gone_on_with(feature: str, tmp_path: Path) -> None:
    words = ("training.epochs=4",)
    run(feature, tmp_path / "whole", *words)
    looks = 29 if FEATURES[feature][0] == "digits_fast" else 11  # in the third epoch
    stopped = run(feature, tmp_path / "broken", *words, stop=StopAfter(tmp_path / "broken", looks))
    assert stopped["stopped_early"] and 1 <= stopped["epochs_run"] < 4
    torch.rand(7)  # the global generator stands elsewhere now
    run(feature, tmp_path / "on", *words, resume=tmp_path / "broken")
    assert_same(tmp_path / "whole", tmp_path / "on")
    assert rescore(tmp_path / "on").agrees


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_after_a_kill_too(feature: str, tmp_path: Path, trainings: Trainings) -> None:
    preset, *words = FEATURES[feature]
    words += ["training.epochs=40" if preset == "digits_fast" else "training.epochs=12"]
    config = REPOSITORY / "config" / "trainer" / f"{preset}.yaml"
    whole = trainings.run(config, tmp_path / "whole", *words)
    assert whole.returncode == 0, whole.stderr
    child = trainings.start(config, tmp_path / "killed", *words)
    eventually((tmp_path / "killed" / CHECKPOINT).exists)
    child.kill()
    child.communicate()
    assert not (tmp_path / "killed" / "result.json").exists()
    resumed = trainings.run(config, tmp_path / "on", *words, LLM_LOOP_RESUME_DIR=str(tmp_path / "killed"))
    assert resumed.returncode == 0 and "goes on after epoch " in resumed.stdout, resumed.stderr
    assert_same(tmp_path / "whole", tmp_path / "on")


def test_a_training_that_gets_no_better_ends_and_stays_ended(tmp_path: Path) -> None:
    words = (
        *("training.epochs=50", "training.early_stop_epochs=2", "optimizer.learning_rate=1e-9"),
        *("selection.metric=val_accuracy", "selection.direction=null"),
    )
    told = run("average", tmp_path / "whole", *words)
    assert told["epochs_run"] == told["best_epoch"] + 2 < 50 and told["stopped_early"] is False
    assert not (tmp_path / "whole" / CHECKPOINT).exists()
    run("average", tmp_path / "broken", *words, stop=StopAfter(tmp_path / "broken", 13))
    run("average", tmp_path / "on", *words, resume=tmp_path / "broken")
    assert_same(tmp_path / "whole", tmp_path / "on")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_scale_of_fp16_is_gone_on_with(tmp_path: Path) -> None:
    words = ("training.epochs=3", "training.precision=fp16", "training.device=cuda")
    run("hard negatives", tmp_path / "broken", *words, stop=StopAfter(tmp_path / "broken", 7))
    checkpoint = torch.load(tmp_path / "broken" / CHECKPOINT, weights_only=True)
    assert checkpoint["scaler"]["scale"] > 0
    assert run("hard negatives", tmp_path / "on", *words, resume=tmp_path / "broken")["epochs_run"] == 3
