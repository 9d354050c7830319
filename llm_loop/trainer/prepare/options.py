"""The words of the command line of data preparation."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from llm_loop.errors import ConfigError

_EPILOG = """\
exit codes:
  0  done; check: no error was found (there may be warnings)
  1  anything else, such as a full disk
  2  wrong usage
  3  prepare: no data, or none that can be used; check: errors, such as a leak between splits or test rows in sight
"""
_SEALED_ROOT = Path(".llm_loop_sealed")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; what it parses has ``act``: prepare or check, and of prepare ``kind``."""
    parser = argparse.ArgumentParser(
        prog=os.environ.get("LLM_LOOP_DATA_PROG", "python -m llm_loop.trainer.prepare"),
        description="Make a data set ready for trainings, its test rows sealed; or check one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = parser.add_subparsers(required=True, metavar="ACT")
    prepare = acts.add_parser("prepare", help="Split pictures into train and val, and seal the test rows.")
    kinds = prepare.add_subparsers(required=True, metavar="KIND")
    _add_fracatlas(kinds)
    _add_folder(kinds)
    _add_xray(kinds)
    _add_check(acts)
    return parser


def _add_fracatlas(kinds: Any) -> None:
    parser = kinds.add_parser("fracatlas", help="FracAtlas as it is downloaded and unpacked.", epilog=_EPILOG)
    _add_common(parser, raw=True)
    parser.add_argument(
        "--truncated",
        choices=("drop", "repair"),
        default="drop",
        help="JPEGs that end too early: leave them out (default), or keep what was decoded, cut to whole rows. All "
        "known ones are without fracture, so that whatever sets them apart tells the label.",
    )
    parser.add_argument(
        "--id-block",
        type=_number(0, 1_000_000),
        default=0,
        metavar="N",
        help="Keep pictures whose numbers divided by N are the same in one split, for neighbours often look like views "
        "of one study (default: 0, do not).",
    )
    parser.set_defaults(act="prepare", kind="fracatlas")


def _add_folder(kinds: Any) -> None:
    parser = kinds.add_parser(
        "folder", help="Your own: one sub-folder a class, or images/ and masks/ with files of the same stem."
    )
    _add_common(parser, raw=True)
    parser.set_defaults(act="prepare", kind="folder", truncated="drop")


def _add_xray(kinds: Any) -> None:
    parser = kinds.add_parser("xray", help="Generated pictures like X-rays of broken bones, to see the layout.")
    _add_common(parser, raw=False)
    parser.add_argument(
        "--images", type=_number(20, 100_000), default=400, metavar="N", help="Pictures (default: 400)."
    )
    parser.add_argument("--size", type=_number(32, 512), default=64, metavar="N", help="Pixels a side (default: 64).")
    parser.set_defaults(act="prepare", kind="xray", truncated="drop", raw_root=None)


def _add_common(parser: argparse.ArgumentParser, *, raw: bool) -> None:
    if raw:
        parser.add_argument("--raw-root", type=Path, required=True, metavar="DIR", help="Folder of the pictures.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="Folder of what a run may see.")
    parser.add_argument("--name", type=_name, metavar="NAME", help="Name of the data set (default: that of --out).")
    parser.add_argument("--seed", type=_number(0, 2**31), default=0, metavar="N", help="Of the split (default: 0).")
    for split in ("val", "test"):
        parser.add_argument(
            f"--{split}",
            type=_share,
            default=0.15,
            metavar="SHARE",
            help=f"Share of each label for {split}"
            + (" (default: 0.15)." if split == "val" else ", which is sealed; 0: none (default: 0.15)."),
        )
    parser.add_argument(
        "--image-size",
        type=_number(16, 8192),
        metavar="N",
        help="Make the longer side N pixels at most, as grey or colour PNG (default: sizes stay as they are).",
    )
    _add_sealed_root(parser)


def _add_sealed_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sealed-root",
        type=Path,
        default=_SEALED_ROOT,
        metavar="DIR",
        help=f"Folder of sealed rows (default: {_SEALED_ROOT}; llm-loop data: sealed_root of the configuration).",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (default: text).")


def _add_check(acts: Any) -> None:
    parser = acts.add_parser(
        "check",
        help="Balance, sizes, duplicates, leaks, shortcuts, test rows in sight; a contact sheet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("place", type=Path, metavar="PLACE", help="A manifest CSV, or a folder of images.")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="Contact sheet (default: contact_sheet.png in the folder)."
    )
    parser.add_argument("--no-sheet", action="store_true", help="Write no contact sheet.")
    _add_sealed_root(parser)
    parser.set_defaults(act="check")


def _number(least: int, most: int) -> Any:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to below 1")
    return value


def _name(text: str) -> str:
    if not text or text.startswith(".") or not all(letter.isalnum() or letter in "._-" for letter in text):
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, '-', '_' and '.' are wanted; give --name")
    return text


def name_of(out: Path) -> str:
    """Return the name of a data set after its folder. Raises ConfigError where it is none."""
    try:
        return _name(out.name)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"--out {out}: {error}") from error
