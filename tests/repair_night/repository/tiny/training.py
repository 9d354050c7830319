"""Train: read the points, take a model, go down the gradient, report each epoch."""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
from pathlib import Path

from tiny.loss import squared
from tiny.memory import hold_batch, limit_memory
from tiny.models import build_model
from tiny.settings import read_settings


def main(words: list[str] | None = None, noise: float = 0.0) -> None:
    """Train as the words say."""
    settings = read_settings(sys.argv[1:] if words is None else words)
    rows = (Path(settings["data.root"]) / "points.csv").read_text(encoding="utf-8").split()
    points = [tuple(map(float, row.split(","))) for row in rows]
    held_out, points = points[::4], [point for place, point in enumerate(points) if place % 4]
    model = build_model(settings["model.name"])
    limit_memory(settings["limits.memory_mb"])
    dice = random.Random(settings["training.seed"])
    for epoch in range(1, settings["training.epochs"] + 1):
        dice.shuffle(points)
        _one_epoch(model, points, settings, noise * dice.random())
        value = sum(squared(model[0] * x + model[1] - y) for x, y in held_out) / len(held_out)
        _report(epoch, settings, value)
        time.sleep(settings["training.pause_s"])
        if not math.isfinite(value):
            raise SystemExit(f"val_mse is not finite (NaN or infinite) in epoch {epoch}")
    print(f"trained {settings['model.name']} to val_mse {value:.4f}")


def _one_epoch(model: list[float], points: list, settings: dict, noise: float) -> None:
    size, steps = settings["training.batch_size"], settings["training.accumulate_steps"]
    for start in range(0, len(points), size * steps):
        slope = offset = 0.0
        whole = points[start : start + size * steps]
        for at in range(0, len(whole), size):
            held = hold_batch(size, settings["data.image_kb"])
            for x, y in whole[at : at + size]:
                error = model[0] * x + model[1] - y + noise
                slope += error * x / len(whole)
                offset += error / len(whole)
            del held
        model[0] -= settings["training.lr"] * slope
        model[1] -= settings["training.lr"] * offset


def _report(epoch: int, settings: dict, value: float) -> None:
    row = {"epoch": epoch, "epochs": settings["training.epochs"], "train_loss": value, "val_mse": value}
    with (Path(os.environ["LLM_LOOP_RUN_DIR"]) / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
