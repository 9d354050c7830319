"""Names out of a text: what has the form of one, and what never does."""

from __future__ import annotations

import pytest

from llm_loop.stages.diagnosing.names import usable_model, usable_module


@pytest.mark.parametrize("name", ["einops", "PIL", "_x", "a.b.c", "torch2", "segmentation_models_pytorch.encoders"])
def test_a_module_has_a_plain_name(name: str) -> None:
    assert usable_module(name)


@pytest.mark.parametrize(
    "name",
    ["", "a-b", "a b", "a;b", "1a", "a.", ".a", "a..b", "for", "a.import", "a" * 99, "a\n", "\u00e4", "\u0430", "a/b"],
)
def test_anything_else_is_no_module(name: str) -> None:
    assert not usable_module(name)


@pytest.mark.parametrize(
    "name", ["resnet18", "timm:resnet18", "vit_base_patch16_224.augreg", "hf-hub:org/model", "tu-x"]
)
def test_a_model_has_one_plain_word(name: str) -> None:
    assert usable_model(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "../a", "a//b", "-r", "a;b", "$a", "a'b", "/etc", "a\n", "a" * 200, "\u0430"]
)
def test_anything_else_is_no_model(name: str) -> None:
    assert not usable_model(name)
