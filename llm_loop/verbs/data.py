"""``llm-loop data``: prepare and check data sets in the training environment, and tell of openings of sealed rows."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from llm_loop.config import Config, load_config
from llm_loop.config.data_link import LINK, link_data
from llm_loop.contract.sealed import OPENINGS, read_openings
from llm_loop.errors import CommandError, ConfigError
from llm_loop.stages.launch import training_python
from llm_loop.system.files import json_text

_CHILD = "llm_loop.trainer.prepare"
_PATIENCE_S = 5.0
_CONFIG = Path("config/daemon_config.json")


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "data",
        help="Prepare and check data sets; see who opened sealed test rows.",
        description="Make a data set ready for trainings with its test rows sealed, or check one. `prepare` and "
        "`check` run in the training environment; `data prepare fracatlas --help` tells their options.",
        epilog="Exit codes: 0 done; 1 a failure, or a record of openings that was tampered with; 2 wrong usage or "
        "configuration; 3 data that cannot be used, a leak, or test rows in sight; 130 interrupted.",
    )
    acts = parser.add_subparsers(dest="data_act", required=True, metavar="ACT")
    for name, told in (
        ("prepare", "Split pictures into train and val, seal the test rows (fracatlas, folder, xray)."),
        ("check", "Balance, sizes, duplicates, leaks, shortcuts, test rows in sight; a contact sheet."),
    ):
        act = acts.add_parser(name, help=told, add_help=False, prefix_chars="\0")
        act.add_argument("words", nargs=argparse.REMAINDER)
        act.set_defaults(act=_run_child)
    openings = acts.add_parser("openings", help="List each look at sealed test rows, and whether the record is whole.")
    link = acts.add_parser("link", help=f"Link `{LINK}` in the training repository to data_source_root, as start does.")
    for act in (openings, link):
        act.add_argument(
            "--config",
            type=Path,
            default=_CONFIG,
            metavar="FILE",
            help=f"The configuration, relative to the workspace (default: {_CONFIG.as_posix()}).",
        )
    link.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="Link to this folder instead, relative to the workspace (default: data_source_root).",
    )
    openings.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1).")
    openings.set_defaults(act=_openings)
    link.set_defaults(act=_link)


def _run_child(arguments: argparse.Namespace) -> int:
    """Prepare or check in the training environment; return the child's exit code."""
    config = _load(arguments, _CONFIG)
    python = training_python(config)
    if not python.exists():
        raise ConfigError(
            f"train_python_exe: {python} does not exist; make the training environment with "
            "`python scripts/bootstrap.py install`, or set train_python_exe in the configuration"
        )
    words = list(arguments.words)
    if not any(word.split("=")[0] == "--sealed-root" for word in words) and not {"-h", "--help"} & set(words):
        words += ["--sealed-root", str(config.sealed_root)]
    return _run([str(python), "-P", "-X", "utf8", "-m", _CHILD, arguments.data_act, *words])


def _run(argv: Sequence[str]) -> int:
    """Run a child in this terminal. Ctrl-C reaches it too; one that does not end by that is ended."""
    package_parent = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([package_parent, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": search, "LLM_LOOP_DATA_PROG": "llm-loop data"}
    sys.stdout.flush()
    try:
        child = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise CommandError(f"cannot start {argv[0]}: {error.strerror or error}") from error
    try:
        return child.wait()
    except BaseException:
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


def _openings(arguments: argparse.Namespace) -> int:
    """Print the record; 1 where it is not whole."""
    config = _load(arguments, arguments.config)
    record = read_openings(config.sealed_root)
    if arguments.json:
        value = {"schema_version": 1, "sealed_root": str(config.sealed_root), "broken": list(record.broken)}
        print(json_text(value | {"openings": [asdict(one) for one in record.openings]}, indent=2))
    else:
        for one in record.openings:
            print(f"{one.utc}  {one.name}  {one.run or 'no run'}  {one.why}")
        print(f"{config.sealed_root / OPENINGS}: opened {len(record.openings)} times")
        for line in record.broken:
            print(f"BROKEN: {line}")
    return 1 if record.broken else 0


def _link(arguments: argparse.Namespace) -> int:
    """Make the link, and say what became of it."""
    config, key = _load(arguments, arguments.config), "data_source_root"
    configured, source = config.data_source_root, config.data_source_root
    if arguments.source is not None:
        key, source = "--source", arguments.workspace / arguments.source.expanduser()
    if source is None:
        raise ConfigError("data_source_root is not set: there is nothing to link; set it in the configuration")
    if not source.is_dir():
        raise ConfigError(f"{key}: {source} is no folder; name another, or mount it")
    place = config.training_repo_root / LINK
    print(link_data(replace(config, data_source_root=source)) or f"{place} leads to {source} already")
    if source != configured:
        print(f"Set data_source_root to {source} in the configuration too: `start` goes by that.", file=sys.stderr)
    return 0


def _load(arguments: argparse.Namespace, path: Path) -> Config:
    return load_config(arguments.workspace / path, arguments.workspace, os.environ)
