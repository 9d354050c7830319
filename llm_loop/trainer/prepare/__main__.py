"""The command line of data preparation: ``prepare`` and ``check``. The loop's ``llm-loop data`` calls it."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llm_loop.errors import ConfigError, LoopError
from llm_loop.system.files import json_text
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.prepare.options import build_parser, name_of

if TYPE_CHECKING:
    from llm_loop.contract.sealed import PreparedData
    from llm_loop.trainer.prepare.choosing import Plan
    from llm_loop.trainer.prepare.places import Places
    from llm_loop.trainer.prepare.source import Archive

_PACKAGES = {"PIL", "numpy", "jsonschema", "yaml"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare or check one data set; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    try:
        return _check(options) if options.act == "check" else _prepare(options)
    except LoopError as error:
        return _end(str(error), error.exit_code)
    except OSError as error:
        return _end(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        return _end(f"the Python package {error.name} is missing: run this with the training environment", 1)
    except KeyboardInterrupt:
        return 130


def _prepare(options: argparse.Namespace) -> int:
    """Prepare one data set; what is generated is drawn into a temporary folder first."""
    from llm_loop.trainer.prepare.choosing import Plan
    from llm_loop.trainer.prepare.places import Places

    if options.val + options.test >= 1 or not options.val:
        raise ConfigError(f"--val {options.val:g} and --test {options.test:g}: val needs a share, and train one too")
    out = expanded(options.out, "--out").absolute()
    plan = Plan(
        name=options.name or name_of(out),
        seed=options.seed,
        val=options.val,
        test=options.test,
        image_size=options.image_size,
        repair=options.truncated == "repair",
    )
    places = Places(out=out, sealed_root=expanded(options.sealed_root, "--sealed-root").absolute(), name=plan.name)
    raw_root = None if options.raw_root is None else expanded(options.raw_root, "--raw-root")
    places.check(raw_root)
    if raw_root is not None:
        return _write(_read(options, raw_root), plan, places, as_json=options.json)
    with tempfile.TemporaryDirectory(prefix="llm_loop xray ") as folder:
        return _write(_read(options, Path(folder)), plan, places, as_json=options.json)


def _read(options: argparse.Namespace, raw_root: Path) -> Archive:
    if options.kind == "fracatlas":
        from llm_loop.trainer.prepare.fracatlas import read_fracatlas

        return read_fracatlas(raw_root, id_block=options.id_block)
    if options.kind == "folder":
        from llm_loop.trainer.prepare.folder import read_folder

        return read_folder(raw_root)
    from llm_loop.trainer.prepare.generated import draw_pictures

    return draw_pictures(raw_root, images=options.images, size=options.size, seed=options.seed)


def _write(archive: Archive, plan: Plan, places: Places, *, as_json: bool) -> int:
    from llm_loop.trainer.prepare.choosing import choose
    from llm_loop.trainer.prepare.report import report_text
    from llm_loop.trainer.prepare.writing import REPORT, write

    choice = choose(archive, plan)
    prepared = write(choice, archive, plan, places, report_text(archive, choice, plan))
    if as_json:
        print(json_text(prepared.to_json() | {"out": str(places.out)}, indent=2))
    else:
        _tell(prepared, places.out, places.out / REPORT)
    return 0


def _tell(prepared: PreparedData, out: Path, report: Path) -> None:
    for split, counts in prepared.images.items():
        told = ", ".join(f"{count} {prepared.labels[label]}" for label, count in counts.items())
        print(f"{split}: {sum(counts.values())} images: {told}")
    print(f"sealed: {prepared.sealed.rows} test images; no run sees them")
    for why, count in prepared.left_out.items():
        print(f"left out: {count}: {why}")
    print(f"data set {prepared.name}: {out} (data.source manifest, data.root this folder); every count: {report}")


def _check(options: argparse.Namespace) -> int:
    from llm_loop.trainer.prepare.check import check
    from llm_loop.trainer.prepare.findings import as_lines

    place = expanded(options.place, "PLACE")
    folder = place if place.is_dir() else place.parent
    sheet = None if options.no_sheet else options.sheet or folder / "contact_sheet.png"
    findings = check(place, sealed_root=expanded(options.sealed_root, "--sealed-root"), sheet=sheet)
    if options.json:
        print(json_text(findings.to_json(), indent=2))
    else:
        print("\n".join(as_lines(findings)))
    return 3 if findings.errors else 0


def _end(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
