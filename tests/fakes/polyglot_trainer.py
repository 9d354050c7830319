"""A trainer that prints what code page 1252 cannot show, and its own arguments: ``polyglot_trainer.py VALUE WORD``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fake_trainer import result, row

if __name__ == "__main__":
    folder = Path(os.environ["LLM_LOOP_RUN_DIR"])
    print(f"train: ✓ 学習 \N{ROCKET} {sys.argv[2]} in {folder}")
    print("stderr: žluťoučký ✗", file=sys.stderr)
    row(folder, 1, float(sys.argv[1]))
    result(folder, float(sys.argv[1]), model="模型 ✓")
