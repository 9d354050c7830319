"""What the tests of networks share: one builder with a normalisation that is easy to reckon with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def build() -> Callable[..., Any]:
    """Give ``build(name, task, classes=2, channels=1, size=32, **model_settings)``."""
    torch = pytest.importorskip("torch")
    from llm_loop.trainer.choices import Task
    from llm_loop.trainer.networks.build import build_model
    from llm_loop.trainer.settings import ModelSettings

    def of(
        name: str, task: str = "segmentation", classes: int = 2, channels: int = 1, size: int = 32, **settings: Any
    ) -> Any:
        torch.manual_seed(0)
        return build_model(
            ModelSettings(name=name, **settings),
            task=Task(task),
            channels=channels,
            classes=classes,
            image_size=size,
            mean=torch.full((channels,), 100.0),
            std=torch.full((channels,), 50.0),
        )

    return of


@pytest.fixture
def learns() -> Callable[..., None]:
    """Give ``learns(model, classes, channels, size, unused)``: a few steps on one batch lower the loss.

    Every weight has a gradient, but for those whose name holds ``unused``.
    """
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    def loss_of(outputs: Any, classes: int) -> Any:
        total = torch.zeros(())
        for part in outputs:
            if part is None:
                continue
            if part.ndim == 1 or part.shape[1] == 1:
                total = total + functional.binary_cross_entropy_with_logits(part, torch.ones_like(part))
            else:
                wanted = torch.full((part.shape[0], *part.shape[2:]), classes - 1)
                total = total + functional.cross_entropy(part, wanted)
        return total

    def check(model: Any, classes: int = 2, channels: int = 1, size: int = 32, unused: str = "nothing") -> None:
        pixels = torch.randint(256, (2, channels, size, size), dtype=torch.uint8)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            torch.manual_seed(0)  # dropout drops the same each time
            loss = loss_of(model.train()(pixels), classes)
            loss.backward()
            losses.append(loss.item())
            idle = [name for name, weight in model.named_parameters() if weight.grad is None]
            assert not [name for name in idle if unused not in name]
            optimizer.step()
        assert losses[-1] < losses[0]

    return check
