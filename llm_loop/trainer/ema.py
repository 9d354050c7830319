"""An exponential moving average of the weights, which is evaluated and kept in their place."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from llm_loop.trainer.networks.model import Model


class WeightAverage:
    """Follow the weights of ``model``: average = decay x average + (1 - decay) x weights, after each optimizer step.

    It begins as the weights after the first step. torch's own ``AveragedModel`` asks the device at each step whether
    it is the first, and copies each buffer by itself; here nothing waits, and buffers are copied when they are wanted.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self._model = deepcopy(model).eval().requires_grad_(False)
        self._of_model = model
        self._average = get_ema_multi_avg_fn(decay)
        self._begun = False

    @torch.no_grad()
    def take(self) -> None:
        """Take in the weights as they are after a step."""
        mine, theirs = list(self._model.parameters()), list(self._of_model.parameters())
        if self._begun:
            self._average(mine, theirs, None)
        else:
            torch._foreach_copy_(mine, theirs)
        self._begun = True

    @torch.no_grad()
    def take_statistics(self) -> None:
        """Take over running statistics and the like, which are not averaged."""
        for mine, theirs in zip(self._model.buffers(), self._of_model.buffers(), strict=True):
            mine.copy_(theirs)

    @property
    def model(self) -> Model:
        """Return the model with averaged weights, and the statistics last taken over."""
        return self._model

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up the average of an earlier attempt, of which at least one step was taken."""
        self._model.load_state_dict(state)
        self._begun = True
