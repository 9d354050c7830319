"""A whole training of masks by command: its files, its score computed anew, its pictures, where its time goes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from llm_loop.contract.result import Result  # noqa: E402
from llm_loop.trainer import pictures, rescore, settings_file  # noqa: E402
from llm_loop.trainer.chart import ticks  # noqa: E402
from llm_loop.trainer.choices import Metric, Task  # noqa: E402
from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.fit import expect_metric  # noqa: E402
from llm_loop.trainer.images.image_set import Dataset, ImageSet  # noqa: E402
from llm_loop.trainer.progress_line import ProgressLine  # noqa: E402
from llm_loop.trainer.saved_predictions import SavedPredictions, truth_hash  # noqa: E402
from llm_loop.trainer.scoring.predictions import Predictions  # noqa: E402
from llm_loop.trainer.stopwatch import PARTS, Stopwatch, told  # noqa: E402
from tests.trainer.conftest import REPOSITORY, Trainings, command  # noqa: E402

FRACTURES = REPOSITORY / "config" / "trainer" / "fracture_demo.yaml"
SMALL = (
    *("data.image_size=32", "data.train_images=32", "data.val_images=12", "training.batch_size=8", "training.epochs=2"),
    *("model.width=2", "model.depth=3", "evaluation.tune_threshold=true"),
)


@pytest.fixture(scope="module")
def finished_masks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train on a few generated pictures; return the folder and what was printed."""
    folder = tmp_path_factory.mktemp("masks")
    done = Trainings().end([*command(FRACTURES, folder / "out", *SMALL), "--profile"])
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_it_leaves_its_files(finished_masks: tuple[Path, str]) -> None:
    folder, printed = finished_masks
    names = {path.name for path in folder.iterdir()}
    assert {"predictions.npz", "predictions.png", "curves.png", "best_model.pt", "metrics.jsonl"} <= names
    found = Result.from_json(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    assert (found.metric, found.n, found.interval is not None) == ("val_dice", 12, True)
    assert all(len(line.split(" val_dice ")) == 2 for line in printed.splitlines() if line.startswith("epoch "))


def test_the_score_comes_out_again_to_the_last_bit(finished_masks: tuple[Path, str]) -> None:
    folder, _ = finished_masks
    done = Trainings().end([sys.executable, "-m", "llm_loop.trainer.rescore", str(folder)])
    assert done.returncode == 0 and done.stdout.rstrip().endswith("equal"), done.stderr
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    best = json.loads((folder / "result.json").read_text(encoding="utf-8"))["best_epoch"]
    scores = json.loads(done.stdout[: done.stdout.rindex("}") + 1])
    assert scores == {name: rows[best - 1][name] for name in scores}
    saved = SavedPredictions.load(folder / "predictions.npz")
    assert saved.threshold == scores["threshold"] and saved.presence_threshold == scores["presence_threshold"]
    assert len(saved.keys) == 12


def test_other_images_are_refused_and_another_value_is_said(
    finished_masks: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in finished_masks[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = settings_file.load(tmp_path / "resolved_config.yaml", ["data.split_seed=1"])
    (tmp_path / "other.yaml").write_text(settings_file.to_yaml(settings), encoding="utf-8")
    assert rescore.main([str(tmp_path), "--config", str(tmp_path / "other.yaml")]) == 3
    assert "for other images" in capsys.readouterr().err
    value = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    value["value"] += 1e-9
    (tmp_path / "result.json").write_text(json.dumps(value), encoding="utf-8")
    assert rescore.main([str(tmp_path)]) == 1 and "NOT equal" in capsys.readouterr().out
    (tmp_path / "predictions.npz").write_bytes(b"PK")
    assert rescore.main([str(tmp_path)]) == 3 and len(capsys.readouterr().err.splitlines()) == 1


def test_where_the_time_goes_is_told(finished_masks: tuple[Path, str]) -> None:
    folder, printed = finished_masks
    spent = json.loads((folder / "environment.json").read_text(encoding="utf-8"))["profile_seconds"]
    assert list(spent) == list(PARTS) and all(spent[part] > 0 for part in ("forward", "backward", "evaluation"))
    assert "time: " in printed and "forward" in printed
    line = told({"forward": 3.0, "backward": 1.0})
    assert line == "time: forward 75 %, backward 25 % of 4.0 s"
    assert Stopwatch().seconds() is None


def a_dataset(masks: np.ndarray | None, labels: list[int], classes: tuple[str, ...]) -> Dataset:
    images = np.full((len(labels), 1, 16, 16), 100, dtype=np.uint8)
    val = ImageSet(images=images, labels=np.array(labels), masks=masks)
    return Dataset(train=val, val=val, classes=classes, data_hash="")


def test_masks_are_shown_beside_their_truth() -> None:
    truth = np.zeros((3, 16, 16), dtype=np.uint8)
    truth[0, :4] = truth[1, :4] = 1
    found = np.zeros_like(truth)
    found[0, :4] = 255
    data = a_dataset(truth, [1, 1, 0], ("background", "positive"))
    png = pictures.sheet(data, Predictions(masks=found), 0.5, Task.SEGMENTATION)
    page = np.asarray(Image.open(io.BytesIO(png)))
    red = (page == (230, 60, 50)).all(axis=2)
    columns = red[:, :172].sum(), red[:, 172:338].sum(), red[:, 338:].sum()
    share = 160 * 40
    assert columns == (0, 2 * share, share), "the truth twice, the prediction once"


def test_the_most_wrong_come_first() -> None:
    data = a_dataset(None, [0, 1, 1], ("cat", "dög"))
    logits = np.array([[9.0, 0.0], [5.0, 0.0], [0.0, 9.0]], dtype=np.float32)
    page = Image.open(io.BytesIO(pictures.sheet(data, Predictions(classes=logits), None, Task.CLASSIFICATION)))
    assert page.width > 3 * 160


def test_curves_leave_a_gap_where_a_value_is_missing() -> None:
    values = [0.2, None, 0.4]
    rows = [{"epoch": i, "train_loss": 1 / i, "val_dice": value} for i, value in enumerate(values, start=1)]
    page = np.asarray(Image.open(io.BytesIO(pictures.curves(rows, Metric.DICE, 3))).convert("RGB")).astype(int)
    assert page.shape == (320, 840, 3)
    blue = (page[..., 2] - page[..., 0] > 60).any(axis=0)
    loss, dice = blue[:420].sum(), blue[420:].sum()
    assert 200 < loss < 320 and 4 <= dice <= 16


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0.12, 0.83, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3, 940, [-250, 0, 250, 500, 750, 1000]),
        (5.0, 5.0, [2.0, 4.0, 6.0, 8.0]),
        (0.0, 0.0, [-0.5, -0.25, 0.0, 0.25, 0.5]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("metric", "labels", "classes", "words"),
    [
        (Metric.ROC_AUC, [0, 0], ("a", "b"), "no validation image is positive"),
        (Metric.ROC_AUC, [1, 1], ("a", "b"), "every validation image is positive"),
        (Metric.DICE_POS, [0, 0], ("background", "positive"), "no validation image is positive"),
        (Metric.BEST_F1, [0, 1, 2], ("a", "b", "c"), "of two classes, these images have 3"),
    ],
)
def test_a_metric_that_the_images_leave_undefined_is_refused_at_once(
    metric: Metric, labels: list[int], classes: tuple[str, ...], words: str
) -> None:
    masks = np.zeros((len(labels), 16, 16), dtype=np.uint8) if metric is Metric.DICE_POS else None
    with pytest.raises(DataError, match=words):
        expect_metric(metric, a_dataset(masks, labels, classes))
    expect_metric(Metric.ACCURACY, a_dataset(masks, labels, classes))


def test_the_hash_of_the_truth_is_of_labels_and_masks() -> None:
    plain = a_dataset(None, [0, 1], ("a", "b")).val
    masked = a_dataset(np.zeros((2, 16, 16), dtype=np.uint8), [0, 1], ("a", "b")).val
    assert len({truth_hash(plain), truth_hash(masked), truth_hash(a_dataset(None, [1, 1], ("a", "b")).val)}) == 3


class Screen(io.StringIO):
    """Stand for a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is_and_a_file_does_not() -> None:
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        line = ProgressLine(stream)
        for step in range(1, 9):
            line.step(2, 20, step, 8)
        line.clear()
    assert file.getvalue() == ""
    assert "epoch 2/20 [###" in screen.getvalue() and "8/8 evaluating" in screen.getvalue()
    assert screen.getvalue().endswith("\r") and "\n" not in screen.getvalue()
