"""Start weights from a file: what is taken over, what is said, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.torchvision_guard import ensure_torchvision  # noqa: E402

Build = Callable[..., Any]


def changed(state: dict[str, Any]) -> dict[str, Any]:
    """Return other weights of the same shapes."""
    return {name: torch.full_like(value, 2) for name, value in state.items()}


def save(value: Any, folder: Path) -> str:
    torch.save(value, folder / "weights.pt")
    return str(folder / "weights.pt")


@pytest.mark.parametrize("form", ["best_model", "checkpoint", "network"])
def test_weights_of_the_same_network_are_all_taken_over(
    build: Build, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = changed(build("simple_unet", width=2, depth=2).state_dict())
    raw = {name.removeprefix("network."): value for name, value in other.items() if name.startswith("network.")}
    value = {"best_model": other, "checkpoint": {"version": 1, "model": other}, "network": raw}[form]
    model = build("simple_unet", width=2, depth=2, weights_file=save(value, tmp_path))
    assert all(torch.equal(part, torch.full_like(part, 2)) for part in model.network.state_dict().values())
    assert model.mean.item() == 100.0  # the normalisation is that of the images at hand
    assert capsys.readouterr() == ("", "")


def test_a_head_of_another_size_is_left_out_and_said(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save(changed(build("simple_unet", width=2, depth=2).state_dict()), tmp_path)
    dual = build("simple_unet_dual_head", "dual_head", 4, width=2, depth=2, weights_file=file)
    assert dual.network.down[0][0].weight.unique().tolist() == [2.0]
    assert dual.network.head[1].weight.unique().numel() > 1
    said = capsys.readouterr().err
    assert said == f"warning: model.weights_file {file}: not from there, so with random weights: head.1, presence.1\n"


def test_weights_of_another_network_are_one_clear_error(build: Build, tmp_path: Path) -> None:
    file = save(build("simple_unet", width=4, depth=2).state_dict(), tmp_path)
    with pytest.raises(
        ConfigError, match=r"is of another network .*: \d+ of its weights do not fit; down\.0\.0\.weight"
    ):
        build("simple_unet", width=2, depth=2, weights_file=file)
    with pytest.raises(ConfigError, match=r"is of another network .* is not there"):
        build("small_cnn", "classification", weights_file=file)


def test_what_is_no_file_of_weights_is_one_clear_error(build: Build, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.pt")
    text = tmp_path / "text.pt"
    text.write_text("weights", encoding="utf-8")
    for file, why in [
        (nowhere, "there is no such file"),
        (str(tmp_path), "it cannot be read"),
        (str(text), "it holds more than weights"),
        (save([1, 2], tmp_path), "it holds no weights by name"),
    ]:
        with pytest.raises(ConfigError, match=f"model.weights_file .*: {why}"):
            build("simple_unet", width=2, depth=2, weights_file=file)


@pytest.mark.slow
def test_an_encoder_alone_starts_a_model_of_smp_and_colours_are_summed_up(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_torchvision()
    timm = pytest.importorskip("timm")
    for encoder in ("resnet18", "tu-resnet18"):
        file = save(changed(timm.create_model("resnet18").state_dict()), tmp_path)
        model = build("smp:Unet", encoder=encoder, pretrained=True, weights_file=file)  # the file spares the fetching
        weights = dict(model.network.encoder.named_parameters())
        first = next(weight for name, weight in weights.items() if name.endswith("conv1.weight"))
        assert first.unique().tolist() == [6.0]
        assert "so with random weights: everything but the encoder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_classifier_of_timm_takes_over_all_but_its_last_layer(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save(changed(build("timm:test_resnet", "classification", 5).state_dict()), tmp_path)
    model = build("timm:test_resnet", "classification", 3, weights_file=file)
    assert model.network.conv1[0].weight.unique().tolist() == [2.0]
    assert "random weights: fc" in capsys.readouterr().err
