"""``llm-loop export``: give out the code of a run, its configuration, and a patch against the repository."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from llm_loop.config import load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.system.files import json_text
from llm_loop.views.run_story import RunStory, read_story


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "export",
        help="Give out a run's code, its configuration, and a patch against your repository.",
        description="Write the code that a run ran into DIR/code, its configuration into DIR/config, what is known of "
        "it into DIR/run.json, and DIR/change.patch, a patch from the training repository as it was to that code. Your "
        "repository is only read: apply the patch yourself, with `git apply` or `patch -p1`.",
        epilog="Exit code 0: written. 1: no such run, no code version of it, or DIR is not empty.",
    )
    parser.add_argument("run", metavar="RUN", help="The run's id, such as R0007, or its label.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="A new or empty folder.")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config/daemon_config.json"),
        metavar="FILE",
        help="The configuration, relative to the workspace (default: config/daemon_config.json).",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Write what a run ran. Raises LoopError when that is not known."""
    from llm_loop.cycle.checkouts import code_rules  # here: no other verb has to load what these need
    from llm_loop.versions.jobs import export_run

    paths = WorkspacePaths(arguments.workspace)
    config = load_config(arguments.workspace / arguments.config, arguments.workspace, os.environ)
    story = read_story(paths, arguments.run)
    if not story.code.get("version"):
        raise LoopError(f"{story.run_id} has no code version: it was not launched, or its code could not be taken")
    given = export_run(
        code_rules(config, paths)
        | {
            "version": story.code["version"],
            "repository_version": story.code.get("repository_version"),
            "folder": str(arguments.folder.expanduser().absolute()),
            "run": story.to_json(),
            "run_folder": _run_folder(story, paths),
        }
    )
    if arguments.json:
        print(json_text({"schema_version": 1, "run_id": story.run_id, **given}, indent=2))
        return 0
    version = story.code["version"]
    print(f"{story.run_id} {story.label}: code version {version} ({given['files']} files) in {given['folder']}")
    if not given["patched"]:
        print("It is your repository as it was: the patch is empty.")
    else:
        fits = "fits your repository as it is now" if given["applies"] else "does not fit your repository as it is now"
        print(f"The patch {given['patch']} changes {', '.join(given['patched'][:10])}; it {fits}.")
    return 0


def _run_folder(story: RunStory, paths: WorkspacePaths) -> str | None:
    """Return the last attempt's folder, where it is still there."""
    if not story.attempts:
        return None
    folder = paths.attempt(story.run_id, story.attempts[-1]["number"])
    return str(folder) if folder.is_dir() else None
