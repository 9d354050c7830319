"""One step of a real segmentation model: ``smp_training.py --config FILE``; the file names its encoder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import yaml

from llm_loop.trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
import segmentation_models_pytorch as smp  # noqa: E402 - it needs torchvision's operators


def main(config: Path) -> None:
    """Train one batch of noise and report its loss."""
    model_of = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]
    torch.manual_seed(0)
    model = smp.create_model(model_of["arch"], model_of["encoder_name"], encoder_weights=None, classes=1)
    images, wanted = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    loss = torch.nn.functional.mse_loss(model(images), wanted)
    loss.backward()
    row = {"epoch": 1, "epochs": 1, "train_loss": loss.item(), "val_log_loss": loss.item()}
    (Path(os.environ["LLM_LOOP_RUN_DIR"]) / "metrics.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


main(Path(sys.argv[sys.argv.index("--config") + 1]))
