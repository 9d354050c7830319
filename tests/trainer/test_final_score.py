"""The one look at sealed rows: checked first, recorded once, scored as validation was, with nothing chosen on them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")
pytest.importorskip("sklearn")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from llm_loop.contract.final_test import FinalTestResult, ScoreSource, read_final_test  # noqa: E402
from llm_loop.contract.sealed import OPENINGS, manifest_hash, read_openings  # noqa: E402
from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.choices import Task  # noqa: E402
from llm_loop.trainer.final_score import main  # noqa: E402
from llm_loop.trainer.finished_run import FinishedRun  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402
from llm_loop.trainer.images.load import load_data  # noqa: E402
from llm_loop.trainer.predictor import Predictor  # noqa: E402
from llm_loop.trainer.prepare.__main__ import main as prepare_main  # noqa: E402
from llm_loop.trainer.prepare.sealed_set import DIGITS  # noqa: E402
from llm_loop.trainer.saved_predictions import SavedPredictions  # noqa: E402
from llm_loop.trainer.scoring.score import score  # noqa: E402
from llm_loop.trainer.settings import EvaluationSettings  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import train  # noqa: E402
from tests.trainer.conftest import environment  # noqa: E402

WHY = "finish-up asked for at 2026-03-01T22:00:00Z"
SIZE = 32
COMMON = {
    "training": {"epochs": 8, "batch_size": 8, "device": "cpu", "threads": 1, "ema_decay": 0.5},
    "optimizer": {"name": "adamw", "learning_rate": 0.02},
    "evaluation": {"tune_threshold": True, "tta": "flip"},
}
MODELS = {
    Task.CLASSIFICATION: ("small_cnn", "val_log_loss"),
    Task.SEGMENTATION: ("simple_unet", "val_dice"),
    Task.DUAL_HEAD: ("simple_unet_dual_head", "val_best_f1"),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A copy of a finished training, of its data set and of the sealed rows, to be spoiled."""

    run: Path
    data: Path
    root: Path

    @property
    def sealed(self) -> Path:
        return self.root / "bones"

    @property
    def out(self) -> Path:
        return self.run / "final_test_result.json"

    def score(self, *, run: str = "R0007", why: str = WHY, out: Path | None = None) -> int:
        words = [f"--sealed-root={self.root}", f"--run={run}", f"--why={why}", f"--out={out or self.out}"]
        return main([str(self.run), *words])

    def openings(self) -> list[tuple[str | None, str]]:
        return [(one.run, one.why) for one in read_openings(self.root).openings]


@pytest.fixture(autouse=True)
def its_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what a score tells torch of threads."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "1" if "THREADS" in name else ":4096:8")


def prepare(folder: Path, *words: str) -> None:
    argv = ["prepare", "xray", "--images=90", f"--size={SIZE}", "--test=0.3", "--val=0.3", "--name=bones"]
    assert prepare_main([*argv, f"--out={folder / 'data'}", f"--sealed-root={folder / 'sealed'}", *words]) == 0


@pytest.fixture(scope="module")
def bones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated pictures, prepared; not to be changed."""
    folder = tmp_path_factory.mktemp("bones")
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def trained(bones: Path) -> Callable[[Task, int], Path]:
    """Return what gives the folder of a training on the bones, one a task and seed; not to be changed."""

    def folder_of(task: Task, seed: int) -> Path:
        folder = bones / f"{task.value}-{seed}"
        if not folder.exists():
            name, metric = MODELS[task]
            values = COMMON | {
                "task": task.value,
                "seed": seed,
                "data": {"source": "manifest", "root": str(bones / "data"), "image_size": SIZE, "channels": 1},
                "model": {"name": name, "width": 4},
                "selection": {"metric": metric},
            }
            train(settings_file.from_mapping(values), folder, StopRequest(folder))
        return folder

    return folder_of


def set_in(run: Path, *words: str, in_result: bool = True) -> None:
    """Change settings of a finished training, as if it had been trained with them."""
    settings = settings_file.load(run / "resolved_config.yaml", words)
    (run / "resolved_config.yaml").write_text(settings_file.to_yaml(settings), encoding="utf-8")
    if in_result:
        spoil_json(run / "result.json", params=settings_file.flatten(settings_file.to_mapping(settings)))


@pytest.fixture
def scene_of(bones: Path, trained: Callable[[Task, int], Path], tmp_path: Path) -> Callable[..., Scene]:
    def scene(task: Task, seed: int = 0) -> Scene:
        folder = tmp_path / str(seed)
        made = Scene(run=folder / "run", data=folder / "data", root=folder / "sealed")
        shutil.copytree(trained(task, seed), made.run)
        shutil.copytree(bones / "data", made.data)
        shutil.copytree(bones / "sealed", made.root)
        set_in(made.run, f"data.root={made.data}")
        return made

    return scene


@pytest.fixture
def scene(scene_of: Callable[..., Scene]) -> Scene:
    return scene_of(Task.SEGMENTATION)


def sealed_rows(scene: Scene) -> list[dict[str, str]]:
    return list(csv.DictReader((scene.sealed / "manifest.csv").read_text(encoding="utf-8").splitlines()))


def truth_of(scene: Scene) -> ImageSet:
    """Read the sealed pictures anew, without the code under test."""
    rows = sealed_rows(scene)
    images = np.stack([np.asarray(Image.open(scene.sealed / row["image"]))[None] for row in rows])
    masks = np.zeros((len(rows), SIZE, SIZE), np.uint8)
    for number, row in enumerate(rows):
        if row["mask"]:
            masks[number] = np.asarray(Image.open(scene.sealed / row["mask"])) > 0
    labels = np.array([int(row["label"]) for row in rows])
    return ImageSet(images=images, labels=labels, masks=masks)


@pytest.mark.parametrize("task", list(Task))
def test_a_run_is_scored_once_and_anybody_gets_the_same(
    task: Task, scene_of: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    scene = scene_of(task)
    assert scene.score() == 0, capsys.readouterr().err
    found = read_final_test(scene.out)
    truth, run = truth_of(scene), FinishedRun.load(scene.run)
    assert (found.run_id, found.n, found.source) == ("R0007", len(truth), ScoreSource.TRAINER)
    assert (found.sealed_hash, found.opening) == (manifest_hash(scene.sealed / "manifest.csv"), 1)
    assert scene.openings() == [("R0007", WHY)] and read_openings(scene.root).openings[0].utc == found.opened_utc
    assert found.interval is not None and found.interval[0] <= found.value <= found.interval[1]
    assert found.value == found.metrics[found.metric] and not any(name.startswith("val_") for name in found.metrics)
    model = run.build(load_data(run.settings))
    predicted = Predictor(model, run.settings).predict(truth)
    if task is Task.CLASSIFICATION:
        logits = predicted.classes.astype(float)
        likely = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        assert found.value == pytest.approx(-likely[np.arange(len(truth)), truth.labels].mean())
        assert found.metrics["test_accuracy"] == (logits.argmax(axis=1) == truth.labels).mean()
        return
    taken, real = predicted.masks >= round(255 * found.metrics["threshold"]), truth.masks > 0
    assert found.metrics["test_dice"] == pytest.approx(2 * (taken & real).sum() / (taken.sum() + real.sum()))


def tuned_elsewhere(scene: Scene) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Return the scores of validation, and those of the test rows had their thresholds been chosen on these."""
    run = FinishedRun.load(scene.run)
    data = load_data(run.settings)
    predictor, kinds = Predictor(run.build(data), run.settings), {"task": run.settings.task, "classes": 2}
    tuned = EvaluationSettings(tune_threshold=True)
    truth = truth_of(scene)
    return (
        score(run.saved.predictions, data.val, evaluation=tuned, **kinds),
        score(predictor.predict(truth), truth, evaluation=tuned, **kinds),
    )


@pytest.mark.parametrize(
    ("task", "threshold", "metric"),
    [(Task.SEGMENTATION, "threshold", "dice"), (Task.DUAL_HEAD, "presence_threshold", "best_f1")],
)
def test_no_threshold_is_chosen_on_test_rows(
    task: Task, threshold: str, metric: str, scene_of: Callable[..., Scene]
) -> None:
    scenes = (scene_of(task, seed) for seed in range(4))  # on some machine both are the same for one of them
    tuned = ((scene, *tuned_elsewhere(scene)) for scene in scenes)
    scene, of_validation, of_test = next(one for one in tuned if one[1][threshold] != one[2][threshold])
    assert scene.score() == 0
    found = read_final_test(scene.out)
    assert found.metrics[threshold] == of_validation[threshold]
    assert found.value == found.metrics[f"test_{metric}"] <= of_test[f"val_{metric}"]


def test_a_second_look_for_the_same_reason_opens_nothing(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.score() == 0
    first = scene.out.read_bytes()
    (scene.run / "best_model.pt").unlink()
    shutil.rmtree(scene.sealed / "images")
    assert scene.score(why=f" {WHY}\n") == 0, "the score that is kept is told again"
    assert scene.out.read_bytes() == first and len(scene.openings()) == 1
    capsys.readouterr()
    assert scene.score(run="R0008") == 1, "nor for the runner-up"
    assert scene.score(out=scene.run / "other.json") == 1
    kept = json.loads(first)
    scene.out.write_text(json.dumps(kept | {"opened_utc": "2026-01-01T00:00:00+00:00"}), encoding="utf-8")
    assert scene.score() == 1, "a score of another opening is none of this one"
    scene.out.unlink()
    assert scene.score() == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and all(OPENINGS in line and "not opened for it again" in line for line in said)
    assert len(scene.openings()) == 1


def test_another_reason_is_another_opening_and_its_number_is_told(scene: Scene) -> None:
    assert scene.score() == 0 and scene.score(why="a second finish-up") == 0
    assert read_final_test(scene.out).opening == 2
    assert scene.openings() == [("R0007", WHY), ("R0007", "a second finish-up")]
    scene.sealed.rename(scene.root / "other name")
    text = (scene.data / "dataset.json").read_text(encoding="utf-8")
    (scene.data / "dataset.json").write_text(text.replace('"bones"', '"other name"'), encoding="utf-8")
    assert scene.score() == 1, "they are the same rows under whatever name"
    assert len(scene.openings()) == 2


def spoil_json(path: Path, **changes: object) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(value | changes), encoding="utf-8")


def other_weights(scene: Scene) -> None:
    path = scene.run / "best_model.pt"
    state = torch.load(path, weights_only=True)
    torch.save(
        {name: value if name in ("mean", "std") else torch.ones_like(value) for name, value in state.items()}, path
    )


def another_threshold(scene: Scene) -> None:
    path = scene.run / "predictions.npz"
    saved = SavedPredictions.load(path)
    arrays = dict(np.load(path)) | {"threshold": np.float64(saved.threshold + 2 / 255)}
    np.savez_compressed(path, **arrays)


def another_picture(scene: Scene) -> None:
    path = scene.sealed / sealed_rows(scene)[3]["image"]
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(path)


def other_rows_sealed(scene: Scene, *, and_told: bool) -> None:
    """Put the rows of another split in the place of the sealed ones, as `prepare` with another seed makes them."""
    other = scene.root.parent / "other"
    prepare(other, "--seed=1")
    shutil.rmtree(scene.sealed)
    shutil.copytree(other / "sealed" / "bones", scene.sealed)
    if and_told:
        shutil.copy(other / "data" / "dataset.json", scene.data)


def sealed_picture_in_sight(scene: Scene) -> None:
    """Let the manifest that was trained on name a copy of a sealed picture."""
    manifest = scene.data / "manifest.csv"
    shutil.copy(scene.sealed / sealed_rows(scene)[0]["image"], scene.data / "images" / "own.png")
    header = manifest.read_text(encoding="utf-8").splitlines()[0].split(",")
    row = {"image": "images/own.png", "split": "train", "label": "0"}
    with manifest.open("a", encoding="utf-8") as file:
        file.write(",".join(row.get(name, "") for name in header) + "\n")


BROKEN: dict[str, tuple[Callable[[Scene], object], str]] = {
    "no weights": (lambda it: (it.run / "best_model.pt").unlink(), "there are no weights"),
    "torn weights": (lambda it: (it.run / "best_model.pt").write_bytes(b"PK\x03\x04"), "not the weights of this"),
    "other weights": (other_weights, "no test row was opened"),
    "weights of another network": (
        lambda it: torch.save({"network.x": torch.zeros(1)}, it.run / "best_model.pt"),
        "not the weights of this network",
    ),
    "no settings": (lambda it: (it.run / "resolved_config.yaml").unlink(), "no training of the shipped trainer"),
    "other settings": (
        lambda it: (it.run / "resolved_config.yaml").write_text("task: dancing\n", encoding="utf-8"),
        "resolved_config.yaml",
    ),
    "another averaging": (
        lambda it: set_in(it.run, "evaluation.tta=none", in_result=False),
        "is not what result.json was trained with: evaluation.tta",
    ),
    "a threshold of one's own": (
        lambda it: set_in(it.run, "evaluation.tune_threshold=false", "evaluation.threshold=0.31"),
        "does not follow from predictions.npz",
    ),
    "no settings told": (lambda it: spoil_json(it.run / "result.json", params=None), "is not what result.json"),
    "trained on a sealed picture": (sealed_picture_in_sight, "has the same picture"),
    "an empty mask": (
        lambda it: next(it.sealed / row["mask"] for row in sealed_rows(it) if row["mask"]).write_bytes(b""),
        "is empty",
    ),
    "no result": (lambda it: (it.run / "result.json").unlink(), "result.json"),
    "a better result": (
        lambda it: spoil_json(it.run / "result.json", value=0.99, best_val_score=0.99),
        "does not follow from predictions.npz",
    ),
    "another threshold": (another_threshold, "does not follow from predictions.npz"),
    "nothing sealed": (lambda it: spoil_json(it.run / "result.json", sealed_hash=None), "no test rows were sealed"),
    "other images": (lambda it: spoil_json(it.run / "result.json", data_hash="sha256:0"), "has other images now"),
    "no sealed rows": (lambda it: shutil.rmtree(it.sealed), "the sealed rows are not there"),
    "other rows sealed": (lambda it: other_rows_sealed(it, and_told=False), "not the rows that were sealed"),
    "other rows told too": (lambda it: other_rows_sealed(it, and_told=True), "other sealed rows than the training's"),
    "a row less": (
        lambda it: (it.sealed / "manifest.csv").write_text("image,split,mask,label,sha256\n", encoding="utf-8"),
        "not the rows that were sealed",
    ),
    "another picture": (another_picture, "is not the file that was sealed"),
    "a picture less": (lambda it: (it.sealed / sealed_rows(it)[0]["image"]).unlink(), "is not there"),
    "a mask less": (
        lambda it: next(it.sealed / row["mask"] for row in sealed_rows(it) if row["mask"]).unlink(),
        "is not there",
    ),
    "no room for the score": (lambda it: it.out.with_name(f".{it.out.name}.begun").mkdir(), "cannot write"),
    "a spoiled record": (lambda it: (it.root / OPENINGS).write_bytes(b"\xff\xfe\xff"), "not UTF-8"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_nothing_is_opened_where_anything_is_broken(
    what: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, says = BROKEN[what]
    spoil(scene)
    capsys.readouterr()
    assert scene.score() != 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("final score: ") and says in said[0], said
    assert not scene.out.exists()
    if what != "a spoiled record":
        assert scene.openings() == [], "a broken run costs no opening"


def test_rows_are_not_opened_without_the_time_to_score_them(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--sealed-root={scene.root}", "--run=R0007", f"--why={WHY}", f"--out={scene.out}"]
    assert main([str(scene.run), *words, "--within=0.001"]) == 1
    assert "0 s are left" in capsys.readouterr().err and scene.openings() == []
    assert main([str(scene.run), *words, "--within=100"]) == 0


def test_a_reason_is_wanted(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.score(why=" ") == 1 and "one named reason" in capsys.readouterr().err
    assert scene.openings() == []


def test_the_opening_is_on_the_disk_before_a_row_is_looked_at(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    mask = next(scene.sealed / row["mask"] for row in sealed_rows(scene) if row["mask"])
    Image.fromarray(np.ones((SIZE, SIZE + 1), np.uint8)).save(mask)  # masks have no hash: seen when it is decoded
    assert scene.score() == 3
    assert "both have to be the same" in capsys.readouterr().err
    assert scene.openings() == [("R0007", WHY)] and not scene.out.exists()
    assert scene.score() == 1 and len(scene.openings()) == 1


def test_nothing_is_read_where_the_opening_cannot_be_written(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (scene.root / ".openings.lock").mkdir()
    assert scene.score() != 0 and len(capsys.readouterr().err.splitlines()) == 1
    assert not scene.out.exists() and scene.openings() == []


def test_a_record_that_was_cut_is_said_and_goes_on_in_a_line_of_its_own(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    (scene.root / OPENINGS).write_text('{"utc": "2026', encoding="utf-8")
    assert scene.score() == 0
    assert "warning: " in capsys.readouterr().err
    assert scene.openings() == [("R0007", WHY)]
    assert read_final_test(scene.out).opening == 2, "what was cut may have been an opening too"


def test_the_digits_are_sealed_by_rule_and_opened_under_a_name_of_their_own(
    finished: tuple[Path, str], tmp_path: Path, result: dict[str, object]
) -> None:
    words = [f"--sealed-root={tmp_path / 'sealed'}", "--run=R0001", f"--why={WHY}", f"--out={tmp_path / 'score.json'}"]
    assert main([str(finished[0]), *words]) == 0
    found = read_final_test(tmp_path / "score.json")
    assert (found.metric, found.n, found.sealed_hash) == ("test_log_loss", 957, result["sealed_hash"])
    opening = read_openings(tmp_path / "sealed").openings[0]
    assert opening.name == DIGITS and f"sha256:{opening.manifest_sha256}" == found.sealed_hash
    assert main([str(finished[0]), *words[:3], f"--out={tmp_path / 'again.json'}"]) == 1


def test_data_without_sealed_rows_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "task": "segmentation",
        "data": {"source": "xray", "image_size": SIZE, "channels": 1, "train_images": 16, "val_images": 8},
        "model": {"name": "simple_unet", "width": 2, "depth": 2},
        "training": {"epochs": 1, "device": "cpu", "threads": 1},
        "selection": {"metric": "val_dice"},
    }
    train(settings_file.from_mapping(values), tmp_path / "run", StopRequest(tmp_path))
    scene = Scene(run=tmp_path / "run", data=tmp_path, root=tmp_path / "sealed")
    capsys.readouterr()
    assert scene.score() == 3
    assert "no test rows were sealed with data.source xray" in capsys.readouterr().err
    assert not scene.root.exists()


def test_a_device_that_is_gone_is_replaced_by_the_cpu(scene: Scene) -> None:
    set_in(scene.run, "training.device=cuda", "training.precision=fp16")
    argv = [sys.executable, "-m", "llm_loop.trainer.final_score", str(scene.run), "--run=R0007", f"--why={WHY}"]
    done = subprocess.run(
        [*argv, f"--sealed-root={scene.root}", f"--out={scene.out}"],
        env=environment(CUDA_VISIBLE_DEVICES=""),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "predicts on the CPU" in done.stderr and "predicts in 32 bits" in done.stderr
    assert done.stdout.startswith("R0007: test_dice ")
    assert isinstance(read_final_test(scene.out), FinalTestResult) and scene.openings() == [("R0007", WHY)]


def test_two_at_the_same_time_open_once(scene: Scene) -> None:
    argv = [sys.executable, "-m", "llm_loop.trainer.final_score", str(scene.run), f"--why={WHY}"]
    argv += [f"--sealed-root={scene.root}"]
    children = [
        subprocess.Popen(
            [*argv, f"--run=R000{number}", f"--out={scene.run / f'{number}.json'}"],
            env={**environment(), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in (1, 2)
    ]
    said = [child.communicate(timeout=120)[1] for child in children]
    assert sorted(child.returncode for child in children) == [0, 1], said
    assert len(scene.openings()) == 1
    assert os.path.exists(scene.run / "1.json") != os.path.exists(scene.run / "2.json")  # noqa: PTH110


def test_a_device_that_fails_half_way_is_left_for_the_cpu(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """torch's device "meta" takes a network and returns no number: its weights cannot be had back from there."""
    run = FinishedRun.load(scene.run)
    data = load_data(run.settings)
    settings = replace(run.settings, training=replace(run.settings.training, device="auto"))
    predictor = Predictor(run.build(data), settings)
    expected = predictor.predict(data.val)
    predictor._place(torch.device("meta"))
    found = predictor.predict(data.val)
    assert np.array_equal(found.masks, expected.masks) and np.array_equal(found.masks, run.saved.predictions.masks)
    assert "predicts on the CPU, for the device meta cannot be used" in capsys.readouterr().err


def test_the_loops_job_has_it_scored(scene: Scene, tmp_path: Path) -> None:
    request = {
        "run_id": "R0007",
        "why": WHY,
        "run_folder": str(scene.run),
        "metric": "val_dice",
        "sealed_root": str(scene.root),
        "sealed_hash": manifest_hash(scene.sealed / "manifest.csv"),
        "training_python": sys.executable,
        "environment": {},
        "cwd": str(tmp_path),
        "workspace": str(tmp_path),
        "shell": "bash",
        "test_command": None,
        "deadline_s": 100,
    }
    job = tmp_path / "job"
    job.mkdir()

    def answer() -> dict[str, object]:
        (job / "request.json").write_text(json.dumps(request), encoding="utf-8")
        argv = [sys.executable, "-X", "utf8", "-m", "llm_loop.final_test.job", str(job)]
        subprocess.run(argv, env=environment(), check=True, timeout=120)
        told: dict[str, object] = json.loads((job / "answer.json").read_text(encoding="utf-8"))
        return told

    first = answer()
    assert first["why"] is None and FinalTestResult.from_json(first["result"]).metric == "test_dice"
    (scene.run / "best_model.pt").unlink()
    assert answer() == first and scene.openings() == [("R0007", WHY)]
    request["why"] = "another finish-up"
    later = answer()
    assert later["result"] is None and "there are no weights" in str(later["why"]) and later["opened_utc"] is None
