"""A training that is broken off goes on from its checkpoint, with the same numbers as if it had never been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from llm_loop.contract.run import CHECKPOINT  # noqa: E402
from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.checkpoint import CheckpointFile, Resume  # noqa: E402
from llm_loop.trainer.failures import CheckpointError  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import train  # noqa: E402
from tests.conftest import eventually  # noqa: E402
from tests.trainer.conftest import Trainings  # noqa: E402
from tests.trainer.test_train import FULL  # noqa: E402

WORDS = ["training.epochs=6", "model.width=4", "training.device=cpu", *FULL]


class StopAfter(StopRequest):
    """Ask for the end at the n-th look."""

    def __init__(self, folder: Path, steps: int) -> None:
        super().__init__(folder)
        self._left = steps

    @property
    def asked_by(self) -> str | None:
        self._left -= 1
        return "STOP file" if self._left <= 0 else None


def run(
    config: Path, folder: Path, *words: str, stop: StopRequest | None = None, resume: Resume | None = None
) -> tuple[list[dict], dict]:
    """Train; return the rows without their seconds, and the result."""
    train(settings_file.load(config, [*WORDS, *words]), folder, stop or StopRequest(folder), resume)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    told = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows], told


def same_weights(one: Path, other: Path) -> bool:
    first, second = (torch.load(folder / "best_model.pt", weights_only=True) for folder in (one, other))
    return all(torch.equal(first[key], second[key]) for key in first)


def numbers(told: dict) -> dict:
    return {key: value for key, value in told.items() if key != "run_seconds"}


@pytest.mark.parametrize(
    ("words", "looks"),
    [
        (["optimizer.name=adamw"], 35),
        (["optimizer.name=sgd"], 35),
        (["training.batch_size=8", "training.accumulate_steps=5"], 100),
    ],
)
def test_a_training_gone_on_with_gives_the_same_bits(
    words: list[str], looks: int, digits_config: Path, tmp_path: Path
) -> None:
    rows, told = run(digits_config, tmp_path / "whole", *words)
    broken = tmp_path / "broken"
    early, stopped = run(digits_config, broken, *words, stop=StopAfter(broken, looks))
    assert stopped["stopped_early"] and 1 <= len(early) < 6 and early == rows[: len(early)]
    torch.rand(7)  # the global generator stands elsewhere now
    again, result = run(digits_config, tmp_path / "on", *words, resume=Resume(path=broken, is_order=True))
    assert again == rows and numbers(result) == numbers(told)
    assert same_weights(tmp_path / "whole", tmp_path / "on")
    facts = json.loads((tmp_path / "on" / "environment.json").read_text(encoding="utf-8"))
    assert 1 <= facts["resumed_after_epoch"] <= len(early)
    assert (broken / CHECKPOINT).exists() and not (tmp_path / "on" / CHECKPOINT).exists()


def test_after_a_kill_too_and_the_seconds_of_both_count(
    digits_config: Path, tmp_path: Path, trainings: Trainings
) -> None:
    words = ["training.epochs=60", "model.width=4", "training.device=cpu", "model.dropout=0.2"]
    whole = trainings.run(digits_config, tmp_path / "whole", *words)
    child = trainings.start(digits_config, tmp_path / "killed", *words)
    eventually((tmp_path / "killed" / CHECKPOINT).exists)
    child.kill()
    child.communicate()
    assert not (tmp_path / "killed" / "result.json").exists()
    resumed = trainings.run(digits_config, tmp_path / "on", *words, LLM_LOOP_RESUME_DIR=str(tmp_path / "killed"))
    assert whole.returncode == resumed.returncode == 0, resumed.stderr
    assert "goes on after epoch " in resumed.stdout
    one, other = (
        numbers(json.loads((tmp_path / name / "result.json").read_text(encoding="utf-8"))) for name in ("whole", "on")
    )
    assert one == other


def test_a_training_broken_off_after_its_last_epoch_needs_no_more(
    digits_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointFile, "remove", lambda _: None)
    rows, told = run(digits_config, tmp_path / "whole")
    again, result = run(digits_config, tmp_path / "on", resume=Resume(path=tmp_path / "whole", is_order=True))
    assert again == rows and numbers(result) == numbers(told)
    assert same_weights(tmp_path / "whole", tmp_path / "on")


def test_a_spent_budget_stays_spent(digits_config: Path, tmp_path: Path) -> None:
    broken, words = tmp_path / "broken", ("training.epochs=100000", "training.max_minutes=0.02")
    early, _ = run(digits_config, broken, *words, stop=StopAfter(broken, 31))
    checkpoint = torch.load(broken / CHECKPOINT, weights_only=True)
    torch.save(checkpoint | {"spent_s": 3600.0}, broken / CHECKPOINT)
    rows, told = run(digits_config, tmp_path / "on", *words, resume=Resume(path=broken, is_order=True))
    assert rows == early[: len(checkpoint["rows"])] and not told["stopped_early"] and told["run_seconds"] > 3600


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.unlink(), "there is none"),
        (lambda file: file.write_bytes(b""), "it cannot be read"),
        (lambda file: file.write_bytes(file.read_bytes()[:500]), "it cannot be read"),
        (lambda file: torch.save({"version": 2}, file), "it cannot be read"),
        (lambda file: torch.save({"version": 1}, file), "an earlier version"),
        (lambda file: torch.save({"version": 9}, file), "another version"),
        (lambda file: torch.save(Path("x"), file), "more than weights"),
        (None, "other settings: model.width"),
    ],
)
def test_an_order_that_cannot_be_followed_is_one_error_and_an_offer_begins_anew(
    spoil, why: str, digits_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    words = ("training.epochs=2",)
    run(digits_config, broken, *words, stop=StopAfter(broken, 15))
    if spoil is None:
        words = (*words, "model.width=5")
    else:
        spoil(broken / CHECKPOINT)
    with pytest.raises(CheckpointError, match=why) as caught:
        run(digits_config, tmp_path / "on", *words, resume=Resume(path=broken, is_order=True))
    assert caught.value.exit_code == 2 and str(broken) in str(caught.value)
    rows, _ = run(digits_config, tmp_path / "on", *words, resume=Resume(path=broken, is_order=False))
    assert len(rows) == 2 and "it begins anew" in capsys.readouterr().err


def test_a_setting_that_came_later_is_as_by_default(digits_config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    early, _ = run(digits_config, broken, stop=StopAfter(broken, 15))
    checkpoint = torch.load(broken / CHECKPOINT, weights_only=True)
    del checkpoint["params"]["training.accumulate_steps"]
    torch.save(checkpoint, broken / CHECKPOINT)
    rows, _ = run(digits_config, tmp_path / "on", resume=Resume(path=broken, is_order=True))
    assert rows[: len(early)] == early and len(rows) == 6
    with pytest.raises(CheckpointError, match=r"training\.accumulate_steps"):
        again = Resume(path=broken, is_order=True)
        run(digits_config, tmp_path / "other", "training.accumulate_steps=2", resume=again)


def test_other_images_are_no_ground_to_go_on(digits_config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    run(digits_config, broken, stop=StopAfter(broken, 15))
    checkpoint = torch.load(broken / CHECKPOINT, weights_only=True)
    torch.save(checkpoint | {"data_hash": "other"}, broken / CHECKPOINT)
    with pytest.raises(CheckpointError, match="of other images"):
        run(digits_config, tmp_path / "on", resume=Resume(path=broken, is_order=True))


def test_checkpoints_take_a_small_share_of_the_time(tmp_path: Path, digits_config: Path) -> None:
    broken = tmp_path / "broken"
    run(digits_config, broken, stop=StopAfter(broken, 15))
    checkpoint = Resume(path=broken, is_order=True).load()
    assert checkpoint is not None
    times = iter([0.0, 10.0, 12.0, 20.0, 39.0, 41.0, 42.0, 43.0, 44.0])
    file = CheckpointFile(tmp_path / "new", lambda: next(times))
    assert file.offer(lambda: checkpoint), "the first costs nothing yet; it takes 2 s"
    assert [file.offer(lambda: checkpoint) for _ in range(2)] == [False, False], "2 s of 20, of 39"
    assert file.offer(lambda: checkpoint), "2 s of 41"
    assert file.offer(lambda: checkpoint, due=True)
