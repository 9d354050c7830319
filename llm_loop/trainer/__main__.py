"""The command line of the trainer, and the wall at which its errors become one or two lines."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from llm_loop.errors import LoopError

_EPILOG = """\
exit codes:
  0  trained, result.json written (also when it was stopped early on request)
  1  anything else, such as a full disk
  2  bad config: a file, key, value, model name or device
  3  data: no images, unreadable, too few classes, a selection metric that they leave undefined
  4  the loss became NaN or infinite
  5  the CUDA device ran out of memory
  6  the machine ran out of memory, or this process may not have more

--check ends with the same codes; 0 then says that a training can begin.

Ctrl-C, or a file named STOP in the folder that LLM_LOOP_RUN_DIR names (else in the output folder),
ends a training politely after the batch at hand, with a result marked stopped_early.
"""
_EXTRAS = {"torch", "torchvision", "timm", "PIL", "numpy", "yaml", "jsonschema"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        if options.check:
            _check(options.config, options.output_dir, options.overrides, options.resume)
        else:
            _run(options.config, options.output_dir, options.overrides, options.resume, options.profile)
    except LoopError as error:
        return _end(str(error), error.exit_code)
    except OSError as error:
        return _end(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        return _end(f"the Python package {error.name} is missing: run this with the training environment", 1)
    return 0


def _run(config: Path, output_dir: Path, overrides: list[str], resume: Path | None, profile: bool) -> None:
    """Check the settings before torch, which takes two seconds, is imported."""
    from llm_loop.trainer import settings_file
    from llm_loop.trainer.before_torch import prepared
    from llm_loop.trainer.stop_request import StopRequest

    stop = StopRequest.of_environment(os.environ, output_dir)
    stop.listen()
    settings = settings_file.load(config, overrides)
    with prepared(settings):
        from llm_loop.trainer.checkpoint import Resume
        from llm_loop.trainer.train import train

        train(settings, output_dir, stop, Resume.wanted(resume, os.environ), profile=profile)


def _check(config: Path, output_dir: Path, overrides: list[str], resume: Path | None) -> None:
    """Do all that comes before a training, and say what it was."""
    from llm_loop.trainer import settings_file
    from llm_loop.trainer.before_torch import prepared

    settings = settings_file.load(config, overrides)
    given = dict(os.environ)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # torch must not take hold of a device on which something may train
    with prepared(settings):
        from llm_loop.trainer.check import check
        from llm_loop.trainer.checkpoint import Resume

        print(check(settings, output_dir, given, Resume.wanted(resume, {})), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_loop.trainer",
        description="Train one network on images (their classes, their masks, or masks and presence at once) and write "
        "its metrics, weights, validation predictions, pictures and result into a folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML file with the settings.")
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="Folder for the outputs; it is made, and the outputs of an earlier training in it are replaced.",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="Replace one setting, such as optimizer.learning_rate=0.1; may be given several times.",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="PATH",
        help="Go on from a checkpoint: a last.pt, or the folder of the training that was broken off. Its settings and "
        "images have to be the same. Without it, from the folder that LLM_LOOP_RESUME_DIR names, if that one fits.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="Train nothing and write nothing: check the settings, read a few images, build the model and take one "
        "step on at most 4 images, on the CPU alone; print one line, or the error that the training would end with.",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="Tell where the time goes, on the screen and in environment.json. On a GPU the training is slower by it.",
    )
    return parser


def _end(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
