"""Compute a training's score anew, from its saved predictions and the data: ``python -m llm_loop.trainer.rescore``.

No network is built and no weight is read: the score follows from ``predictions.npz``, ``resolved_config.yaml`` and the
validation images' truth alone. A threshold that was tuned is tuned again, and comes out the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.errors import LoopError
from llm_loop.system import files
from llm_loop.trainer import settings_file
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.load import load_data
from llm_loop.trainer.outputs import PREDICTIONS, RESULT, SETTINGS
from llm_loop.trainer.saved_predictions import SavedPredictions, truth_hash
from llm_loop.trainer.scoring.score import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """Hold all scores by name, and the selection metric as it was told and as it came out."""

    metric: str
    told: float
    value: float | None
    scores: dict[str, float | None]

    @property
    def agrees(self) -> bool:
        """Tell whether both are the same number, to the last bit."""
        return self.told == self.value


def rescore(folder: Path, config: Path | None = None) -> Rescored:
    """Score the predictions in a run's ``folder``; ``config`` is its resolved_config.yaml unless another is given.

    Raises ConfigError, and DataError when a file is missing or the data is not that of the training.
    """
    settings = settings_file.load(config or folder / SETTINGS)
    saved = SavedPredictions.load(folder / PREDICTIONS)
    told = _result(folder / RESULT)
    data = load_data(settings)
    if data.data_hash != told["data_hash"] or truth_hash(data.val) != saved.truth_hash:
        raise DataError(f"{folder}: its predictions are for other images than {settings.data.source} has now")
    scores = score(
        saved.predictions, data.val, task=settings.task, classes=len(data.classes), evaluation=settings.evaluation
    )
    return Rescored(metric=told["metric"], told=told["value"], value=scores[told["metric"]], scores=scores)


def _result(path: Path) -> dict[str, Any]:
    try:
        value = files.read_json(path)
        return {name: value[name] for name in ("metric", "value", "data_hash")}
    except (KeyError, OSError, TypeError) as error:
        raise DataError(f"{path}: no result can be read from it ({type(error).__name__})") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores as JSON; return 0 where the told value came out again, 1 where not, or the code of an error."""
    parser = argparse.ArgumentParser(
        prog="python -m llm_loop.trainer.rescore",
        description="Compute the score of a training anew, from its saved validation predictions and the data. Prints "
        "all scores; ends with 0 when the told value came out again to the last bit, with 1 when it did not.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER", help="Folder that a training left.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="Settings, if not its resolved_config.yaml.")
    options = parser.parse_args(arguments)
    try:
        found = rescore(options.folder, options.config)
    except LoopError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    print(json.dumps(found.scores, indent=2))
    print(f"{found.metric}: told {found.told}, computed anew {found.value}: {'equal' if found.agrees else 'NOT equal'}")
    return 0 if found.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
