"""A trainer whose loss turns to NaN: ``nan_trainer.py GOOD BAD [EPOCHS]``.

Rows with numbers, BAD rows without, and numbers again; until STOP, or the end of EPOCHS.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(good: int, bad: int, epochs: int = 100_000) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    epoch = 0
    while not (folder / "STOP").exists() and epoch < epochs:
        epoch += 1
        value = float("nan") if good < epoch <= good + bad else 1.0 / epoch
        row = {"epoch": epoch, "epochs": epochs, "train_loss": value, "val_log_loss": value}
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        time.sleep(0.02)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*(int(word) for word in sys.argv[1:])))
