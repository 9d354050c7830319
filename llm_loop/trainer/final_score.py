"""Score one finished training on the sealed test rows, once: ``python -m llm_loop.trainer.final_score``.

The loop starts it at finish-up, for the run that was chosen on validation. The gate refuses a run's command that
names it.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from llm_loop.contract.final_test import FinalTestResult
from llm_loop.errors import LoopError


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a run and print the score; return 0, or the code of an error, which is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        print(_told(_score(options)), flush=True)
    except LoopError as error:
        return _end(str(error), error.exit_code)
    except OSError as error:
        return _end(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        return _end(f"the Python package {error.name} is missing: run this with the training environment", 1)
    return 0


def _score(options: argparse.Namespace) -> FinalTestResult:
    """Read the settings before torch is imported, which has to know the threads first."""
    began_s = time.monotonic()
    from llm_loop.trainer import settings_file
    from llm_loop.trainer.before_torch import prepared

    folder: Path = options.folder.absolute()
    settings = folder / "resolved_config.yaml"
    if not settings.is_file():
        raise LoopError(f"{settings}: there is none: no training of the shipped trainer has ended here")
    with prepared(settings_file.load(settings)):
        from llm_loop.trainer.final_scoring import FinalScoring, final_score
        from llm_loop.trainer.finished_run import FinishedRun

        asked = FinalScoring(
            sealed_root=options.sealed_root.absolute(),
            run=options.run,
            why=options.why,
            out=options.out.absolute(),
            until_s=None if options.within is None else began_s + options.within,
        )
        return final_score(asked, FinishedRun.load(folder))


def _told(result: FinalTestResult) -> str:
    interval = "" if result.interval is None else f" [{result.interval[0]:.4g}, {result.interval[1]:.4g}]"
    return f"{result.run_id}: {result.metric} {result.value:.4g}{interval} over {result.n} test rows"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_loop.trainer.final_score",
        description="Score one finished training on the test rows that were sealed with its data. All that can be "
        "checked is checked first; then the opening is written down, and the rows are read, once for each reason.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER", help="Folder that a training left.")
    parser.add_argument(
        "--sealed-root", type=Path, required=True, metavar="DIR", help="Folder of sealed rows and of their record."
    )
    parser.add_argument("--run", required=True, metavar="ID", help="Id of the run, such as R0007, for the record.")
    parser.add_argument(
        "--why",
        required=True,
        metavar="TEXT",
        help="The one reason, for the record. For a reason that stands there already nothing is opened: the score that "
        "it came to is told again where FILE still holds it.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file for the score.")
    parser.add_argument(
        "--within",
        type=float,
        metavar="SECONDS",
        help="Open nothing where the score could not be there by then; without it there is time.",
    )
    return parser


def _end(message: str, code: int) -> int:
    print(f"final score: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
