"""The settings of a training: defaults, a config file of sections with keys, options of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULTS = {
    "model.name": "line",
    "training.lr": 0.1,
    "training.epochs": 4,
    "training.batch_size": 8,
    "training.accumulate_steps": 1,
    "training.seed": 0,
    "training.pause_s": 0.0,
    "data.root": "data",
    "data.image_kb": 1,
    "limits.memory_mb": 0,
}


def read_settings(words: list[str]) -> dict:
    """Return the settings by dotted key; an unknown key or option ends the program."""
    parser = argparse.ArgumentParser(prog="train.py")
    parser.add_argument("--config")
    parser.add_argument("--lr", type=float, dest="training.lr")
    parser.add_argument("--epochs", type=int, dest="training.epochs")
    parser.add_argument("--pause", type=float, dest="training.pause_s")
    parser.add_argument("--seed", type=int, dest="training.seed")
    parser.add_argument("--data", dest="data.root")
    given = vars(parser.parse_args(words))
    config = given.pop("config")
    settings = dict(DEFAULTS)
    for key, value in ({} if config is None else _read(Path(config))).items():
        if key not in settings:
            raise SystemExit(f"{config}: unknown key {key}; the nearest known key is model.name")
        settings[key] = type(settings[key])(value)
    return settings | {key: value for key, value in given.items() if value is not None}


def _read(path: Path) -> dict[str, str]:
    """Return the keys of a YAML file of two levels: this environment has no YAML library."""
    section, found = "", {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("#")[0].partition(":")
        if key.strip() and not key.startswith(" "):
            section = key.strip()
        elif key.strip():
            found[f"{section}.{key.strip()}"] = value.strip().strip("'\"")
    return found
