"""The gradients of several batches make one step: the step of one large batch, in the memory of a small one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from llm_loop.contract.run import CHECKPOINT  # noqa: E402
from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.batches import cut, optimizer_steps  # noqa: E402
from llm_loop.trainer.fit import FitReport, fit  # noqa: E402
from llm_loop.trainer.images.digits import load_digits  # noqa: E402
from llm_loop.trainer.networks.model import Model  # noqa: E402
from llm_loop.trainer.optimization import rate_factor  # noqa: E402
from llm_loop.trainer.screen import accumulation_line  # noqa: E402
from llm_loop.trainer.settings import Settings  # noqa: E402
from llm_loop.trainer.stop_request import StopRequest  # noqa: E402
from llm_loop.trainer.train import make_model, train  # noqa: E402
from tests.trainer.test_checkpoint import StopAfter  # noqa: E402

WORDS = [
    *("training.epochs=3", "model.width=4", "model.norm=none", "training.device=cpu", "schedule.name=one_cycle"),
    *("optimizer.name=adamw", "training.gradient_clip=0.5", "training.label_smoothing=0.05"),
]


def fitted(settings: Settings, stop: StopRequest) -> tuple[FitReport, Model]:
    """Train with weights of 64 bits, so that nothing but the sums can differ."""
    data = load_digits(settings.data)
    model = make_model(settings, data).double()
    model.normalise = lambda pixels: (pixels.double() - model.mean) / model.std
    return fit(model, data, settings, torch.device("cpu"), stop, lambda _: None, lambda _: None), model


def settings_of(config: Path, *words: str) -> Settings:
    return settings_file.load(config, [*WORDS, *words])


def assert_alike(one: tuple[FitReport, Model], other: tuple[FitReport, Model]) -> None:
    first, second = one[1].state_dict(), other[1].state_dict()
    assert all(torch.allclose(first[key], second[key], rtol=1e-12, atol=1e-14) for key in first)
    for row, same in zip(one[0].rows, other[0].rows, strict=True):
        # losses are summed up, and predictions kept, in 32 bits
        wanted = {key: pytest.approx(value, rel=1e-6) for key, value in row.items() if key != "seconds"}
        assert {key: value for key, value in same.items() if key != "seconds"} == wanted


@pytest.mark.parametrize("norm", ["none", "group"])
@pytest.mark.parametrize(
    ("images", "size", "steps"),
    [(300, 50, 3), (300, 32, 2), (300, 32, 4), (65, 32, 2), (97, 16, 3), (40, 7, 100), (60, 1, 20)],
)
def test_a_step_is_that_of_one_large_batch(
    norm: str, images: int, size: int, steps: int, digits_config: Path, tmp_path: Path
) -> None:
    words = (f"model.norm={norm}", f"data.train_images={images}")
    small = settings_of(digits_config, *words, f"training.batch_size={size}", f"training.accumulate_steps={steps}")
    large = replace(small, training=replace(small.training, batch_size=size * steps, accumulate_steps=1))
    stop = StopRequest(tmp_path)
    assert_alike(fitted(small, stop), fitted(large, stop))


def test_without_accumulation_the_steps_are_others(digits_config: Path, tmp_path: Path) -> None:
    stop = StopRequest(tmp_path)
    one, other = (fitted(settings_of(digits_config, f"training.batch_size={size}"), stop) for size in (32, 64))
    with pytest.raises(AssertionError):
        assert_alike(one, other)


def test_steps_are_counted_and_the_rate_ends_with_the_last(digits_config: Path, tmp_path: Path) -> None:
    words = ("schedule.name=cosine", "training.batch_size=32", "training.accumulate_steps=3", "training.epochs=4")
    settings = settings_of(digits_config, *words)
    report, _ = fitted(settings, StopRequest(tmp_path))
    steps = 4  # of 10 batches: 3, 3, 3 and 1
    for row in report.rows:
        progress = (row["epoch"] * steps - 1) / (4 * steps)
        rate = settings.optimizer.learning_rate * rate_factor(settings.schedule, progress)
        assert row["learning_rate"] == pytest.approx(rate)
    train(settings, tmp_path, StopAfter(tmp_path, 30))
    checkpoint = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert 1 <= len(checkpoint["rows"]) < 4 and checkpoint["step"] == steps * len(checkpoint["rows"])


def test_every_image_is_in_one_step(digits_config: Path) -> None:
    for images in range(2, 60):
        for size in range(1, 9):
            for count in (1, 2, 3, 7):
                parts = cut(torch.arange(images), size)
                steps = optimizer_steps(parts, count)
                assert torch.equal(torch.cat([rows for step in steps for rows in step]), torch.arange(images))
                assert [len(step) for step in steps[:-1]] == [count] * (len(steps) - 1)
                large = cut(torch.arange(images), size * count)
                assert [sum(map(len, step)) for step in steps] == [len(rows) for rows in large]


def test_a_stop_cuts_the_step_and_weighs_what_there_is(digits_config: Path, tmp_path: Path) -> None:
    cut = settings_of(digits_config, "training.batch_size=32", "training.accumulate_steps=10")
    whole = settings_of(digits_config, "training.batch_size=96")
    ended, once = fitted(cut, StopAfter(tmp_path, 3)), fitted(whole, StopAfter(tmp_path, 1))
    assert ended[0].stopped_early and len(ended[0].rows) == 1
    assert_alike(ended, once)


def test_a_stop_in_a_later_epoch_leaves_that_epoch_out(digits_config: Path, tmp_path: Path) -> None:
    words = ("training.batch_size=32", "training.accumulate_steps=10")
    report, _ = fitted(settings_of(digits_config, *words), StopAfter(tmp_path, 15))
    assert report.stopped_early and len(report.rows) == 1


def test_a_spent_budget_waits_for_no_further_batch(digits_config: Path, tmp_path: Path) -> None:
    words = ("training.max_minutes=1e-9", "training.batch_size=16")
    accumulated = fitted(settings_of(digits_config, *words, "training.accumulate_steps=1000"), StopRequest(tmp_path))
    assert not accumulated[0].stopped_early and len(accumulated[0].rows) == 1
    assert_alike(accumulated, fitted(settings_of(digits_config, *words), StopRequest(tmp_path)))


def test_the_effective_batch_is_told(digits_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_of(digits_config, "training.batch_size=16", "training.accumulate_steps=3", "training.epochs=1")
    train(settings, tmp_path, StopRequest(tmp_path))
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    facts = json.loads((tmp_path / "environment.json").read_text(encoding="utf-8"))
    assert told["params"]["training.accumulate_steps"] == 3 and facts["effective_batch_size"] == 48
    assert accumulation_line(settings.training) == "a step: 3 batches of 16, effective batch 48"
    assert accumulation_line(settings.training) in capsys.readouterr().out.splitlines()
    assert settings_file.load(tmp_path / "resolved_config.yaml").training.accumulate_steps == 3


def test_plain_steps_are_not_told_apart(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "effective batch" not in printed
    assert json.loads((folder / "environment.json").read_text(encoding="utf-8"))["effective_batch_size"] == 32


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "true", "null"])
def test_other_than_whole_numbers_from_1_are_refused(value: str, digits_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.accumulate_steps"):
        settings_of(digits_config, f"training.accumulate_steps={value}")
