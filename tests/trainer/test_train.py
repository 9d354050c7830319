"""Whole trainings in this process: they learn, repeat exactly, and end early when asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import numpy as np  # noqa: E402

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer import epoch as epoch_module  # noqa: E402
from llm_loop.trainer import fit_state, settings_file  # noqa: E402
from llm_loop.trainer.batches import BatchSource  # noqa: E402
from llm_loop.trainer.choices import Metric, Precision, Task, Tta  # noqa: E402
from llm_loop.trainer.device import choose_device  # noqa: E402
from llm_loop.trainer.evaluate import predict  # noqa: E402
from llm_loop.trainer.failures import NonFiniteLossError, OutOfDeviceMemoryError  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402
from llm_loop.trainer.networks.build import build_model  # noqa: E402
from llm_loop.trainer.networks.model import Model  # noqa: E402
from llm_loop.trainer.precision import choose_arithmetic  # noqa: E402
from llm_loop.trainer.screen import epoch_line  # noqa: E402
from llm_loop.trainer.settings import ModelSettings  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import train  # noqa: E402

CPU = torch.device("cpu")
FULL = [
    "optimizer.name=adamw",
    "optimizer.learning_rate=0.01",
    "model.dropout=0.2",
    "augmentation.shift_pixels=1",
    "augmentation.rotate_degrees=10",
    "augmentation.scale=0.1",
    "augmentation.noise=0.1",
    "augmentation.mixup=0.2",
    "training.gradient_clip=1.0",
    "training.label_smoothing=0.05",
]


def run(config: Path, folder: Path, *overrides: str) -> list[dict]:
    words = ["training.epochs=2", "model.width=4", "training.device=cpu", *overrides]
    train(settings_file.load(config, words), folder, StopRequest(folder))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def predicted(model: Model, images: torch.Tensor, size: int) -> np.ndarray:
    source = BatchSource(
        ImageSet(images=images.numpy(), labels=np.zeros(len(images), dtype=np.int64)), CPU, resident=True, masks=False
    )
    arithmetic = choose_arithmetic(Precision.FP32, CPU)
    found = predict(model, source, task=Task.CLASSIFICATION, tta=Tta.NONE, arithmetic=arithmetic, at_once=size).classes
    assert found is not None
    return found


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def test_the_same_seed_gives_the_same_numbers_and_weights(digits_config: Path, tmp_path: Path) -> None:
    first = run(digits_config, tmp_path / "a", *FULL)
    torch.rand(7)  # the global generator stands elsewhere now
    assert run(digits_config, tmp_path / "b", *FULL) == first
    assert run(digits_config, tmp_path / "c", *FULL, "seed=1") != first
    one, two = (torch.load(tmp_path / name / "best_model.pt", weights_only=True) for name in "ab")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_it_learns(digits_config: Path, tmp_path: Path) -> None:
    rows = run(digits_config, tmp_path, "training.epochs=8", "model.width=12", "optimizer.learning_rate=0.1")
    assert rows[-1]["val_accuracy"] > 0.85 and rows[-1]["val_log_loss"] < 0.5
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_the_best_epoch_is_kept_not_the_last(
    digits_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.9, 0.4, 0.7])

    def scores(*_: object, **__: object) -> dict[str, float]:
        return {"val_log_loss": next(losses), "val_accuracy": 0.5, "val_macro_f1": 0.5}

    monkeypatch.setattr(epoch_module, "score", scores)
    run(digits_config, tmp_path, "training.epochs=3")
    told = result(tmp_path)
    assert (told["best_epoch"], told["value"], told["best_val_score"]) == (2, 0.4, -0.4)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["best_epoch"], metrics["best_val_score"], len(metrics["history"])) == (2, -0.4, 3)


def test_accuracy_can_select(digits_config: Path, tmp_path: Path) -> None:
    rows = run(digits_config, tmp_path, "selection.metric=val_accuracy", "selection.direction=null")
    told = result(tmp_path)
    assert told["value"] == max(row["val_accuracy"] for row in rows) == told["best_val_score"]
    assert (told["metric"], told["direction"]) == ("val_accuracy", "max")


def test_evaluation_has_no_dropout_and_leaves_the_statistics_alone() -> None:
    model = build_model(
        ModelSettings(dropout=0.9, width=4),
        task=Task.CLASSIFICATION,
        channels=1,
        classes=10,
        image_size=8,
        mean=torch.tensor([8.0]),
        std=torch.tensor([4.0]),
    )
    images = torch.randint(256, (300, 1, 8, 8), dtype=torch.uint8)
    model.train()(images)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = predicted(model.train(), images, 256), predicted(model.train(), images.flip(0), 100)
    assert first == pytest.approx(second[::-1], abs=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_stop_before_the_first_epoch_is_whole_still_gives_a_result(digits_config: Path, tmp_path: Path) -> None:
    (tmp_path / "STOP").touch()
    rows = run(digits_config, tmp_path)
    assert len(rows) == 1 and result(tmp_path)["stopped_early"] is True
    assert result(tmp_path)["epochs_run"] == 1
    whole = run(digits_config, tmp_path / "whole")
    assert rows[0]["train_loss"] > whole[0]["train_loss"]  # the mean of one step, not of an epoch


def test_a_spent_time_budget_is_no_early_stop(digits_config: Path, tmp_path: Path) -> None:
    rows = run(digits_config, tmp_path, "training.epochs=1000", "training.max_minutes=0.002")
    told = result(tmp_path)
    assert 1 <= len(rows) < 1000 and told["stopped_early"] is False
    assert told["budget"]["max_minutes"] == 0.002


def test_a_diverging_run_names_epoch_and_remedy(digits_config: Path, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"epoch 1\ntry a lower optimizer.learning_rate \(it was 1e\+30\)"):
        run(digits_config, tmp_path, "model.norm=none", "optimizer.learning_rate=1e30")
    assert not (tmp_path / "result.json").exists()


def test_outputs_of_an_earlier_run_do_not_outlive_the_start(digits_config: Path, tmp_path: Path) -> None:
    for name in ("result.json", "metrics.jsonl", "best_model.pt"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(NonFiniteLossError):
        run(digits_config, tmp_path, "model.norm=none", "optimizer.learning_rate=1e30")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", "resolved_config.yaml", "environment.json"}


def test_device_memory_has_its_own_ending(digits_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(epoch_module, "_train_step", full)
    with pytest.raises(OutOfDeviceMemoryError, match="batch_size 32 at 8 x 8 pixels") as caught:
        run(digits_config, tmp_path)
    assert caught.value.exit_code == 5


def test_what_cannot_be_compiled_is_a_config_error(
    digits_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_torch = type("BackendCompilerFailed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})

    def fails(*_: object) -> None:
        raise of_torch("no C++ compiler")

    monkeypatch.setattr(epoch_module, "_train_step", fails)
    monkeypatch.setattr(fit_state, "compile_network", lambda *_: None)
    with pytest.raises(ConfigError, match=r"training\.compile: torch cannot compile this \(no C\+\+ compiler\)"):
        run(digits_config, tmp_path, "training.compile=true")
    with pytest.raises(RuntimeError, match="no C"):
        run(digits_config, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of its own parts
def test_a_compiled_network_learns_the_same_and_keeps_its_names(digits_config: Path, tmp_path: Path) -> None:
    words = ("training.compile=true", "training.ema_decay=0.9", "data.train_images=64")
    compiled = run(digits_config, tmp_path / "compiled", *words)
    plain = run(digits_config, tmp_path / "plain", *words, "training.compile=false")
    assert [row["train_loss"] for row in compiled] == pytest.approx([row["train_loss"] for row in plain], rel=1e-4)
    one, two = (torch.load(tmp_path / name / "best_model.pt", weights_only=True) for name in ("compiled", "plain"))
    assert list(one) == list(two)


def test_a_device_that_is_not_there_is_a_config_error() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match=r"cuda:99.*auto"):
        choose_device("cuda:99")


def test_the_line_on_the_screen() -> None:
    row = {
        "epoch": 3,
        "epochs": 20,
        "train_loss": 0.5124,
        "val_log_loss": 0.401,
        "val_accuracy": 0.889,
        "seconds": 0.41,
    }
    assert epoch_line(row, Metric.LOG_LOSS) == (
        "epoch 3/20 train_loss 0.512 val_log_loss 0.401 val_accuracy 0.889 (0.4 s)"
    )
    row |= {"val_dice": 0.5, "val_iou": None, "val_dice_pos": 0.25}
    assert epoch_line(row, Metric.DICE_POS) == (
        "epoch 3/20 train_loss 0.512 val_dice 0.500 val_iou none val_dice_pos 0.250 (0.4 s)"
    )
