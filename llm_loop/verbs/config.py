"""``llm-loop config``: check the configuration, and explain each value."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from llm_loop.config import explain, load_config
from llm_loop.system.files import json_text


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "config",
        help="Check the configuration; exit code 2 names what is wrong.",
        description="Check the configuration; exit code 2 names what is wrong.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config/daemon_config.json"),
        metavar="FILE",
        help="The configuration, relative to the workspace (default: config/daemon_config.json).",
    )
    parser.add_argument("--explain", action="store_true", help="Print each value, and where it came from.")
    parser.add_argument("--json", action="store_true", help="Print the explanation as JSON.")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, and print what was asked for."""
    path = arguments.workspace / arguments.config
    config = load_config(path, arguments.workspace, os.environ)
    rows = explain(config)
    if arguments.json:
        keys = [
            {
                "key": row.key,
                "value": row.value,
                "source": str(row.source),
                "built": row.built,
                "description": row.description,
            }
            for row in rows
        ]
        print(
            json_text(
                {"schema_version": 1, "config": str(path), "keys": keys, "notices": list(config.notices)}, indent=2
            )
        )
        return 0
    if arguments.explain:
        for row in rows:
            unbuilt = "" if row.built else "  [not acted on by this version]"
            print(f"{row.key} = {row.value_json}    ({row.source}){unbuilt}\n    {row.description}")
    for notice in config.notices:
        print(f"note: {notice}")
    print(f"{path} is good.")
    return 0
