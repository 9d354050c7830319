"""``llm-loop clean``: begin afresh. The night goes into an archive, the login and the link to the data go away."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.config import Config, load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError, CorruptFileError, LoopError, WorkspaceBusyError
from llm_loop.resetting.carrying_out import Done, carry_out
from llm_loop.resetting.living import Signs, look, settle
from llm_loop.resetting.outlook import Outlook, lines_of, outcome_line, outlook_of, to_json
from llm_loop.resetting.places import Spared, spared_places
from llm_loop.resetting.plan import Wishes
from llm_loop.resetting.unfinished import unfinished
from llm_loop.system import files
from llm_loop.system.clock import SystemClock, utc_stamp
from llm_loop.system.files import json_text
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.views.untrusted import dict_of, text_of

_DEFAULT_CONFIG = Path("config/daemon_config.json")
_PATIENCE_S = 0.5


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "clean",
        help="Begin afresh: move the night into .llm_loop_archive, remove the Codex login and the link to the data.",
        description="Begin afresh. What the loop made in .llm_loop is moved to .llm_loop_archive/<time>/, on the same "
        "drive and without a copy; checkouts, which are made again, are removed, and so are the loop's Codex login, "
        "which never enters an archive, and the link `data` in the training repository, itself and not what it leads "
        "to. Kept are sealed test rows, the configuration, the training repository with its runs, a real folder "
        "`data`, and whatever in .llm_loop the loop did not make. It says what goes, with sizes, and does not ask. A "
        "clean that was cut short is finished by the next one.",
        epilog="Exit codes: 0 done, or shown, or nothing to do; 1 a failure, or a state that cannot be read; 2 wrong "
        "usage or configuration; 3 a loop, a training, a model call or a job lives here, and nothing was changed.",
    )
    parser.add_argument("--keep-codex-login", action="store_true", help="Leave .llm_loop/codex_home as it is.")
    parser.add_argument("--keep-data-link", action="store_true", help="Leave the link `data` where it is.")
    parser.add_argument("--no-archive", action="store_true", help="Remove the night instead of moving it.")
    parser.add_argument(
        "--what-if", action="store_true", help="Show what would be done, and change nothing; wins over --force."
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="Go ahead where state.json, a lock or the configuration cannot be read, or .llm_loop is a link to a "
        "folder without a journal. Never beside what lives. Without a configuration the link to the data stays, "
        "sealed rows inside .llm_loop would go into the archive, and --no-archive is refused.",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Clean, or show what that would do. Raises LoopError with why not, and whether anything was changed."""
    paths = WorkspacePaths(arguments.workspace)
    if not paths.root.is_dir():
        raise ConfigError(f"{paths.root} is no folder: name a workspace with --workspace")
    if os.path.lexists(paths.loop) and not paths.loop.is_dir():
        raise LoopError(f"{paths.loop} is no folder: move it away; nothing was changed")
    config, spared = _configuration(arguments, paths)
    signs = look(paths)
    if not arguments.what_if:
        _refuse(arguments, paths, signs)
        return _clean(arguments, paths, config, spared)
    outlook = _outlook(arguments, paths, config, spared)
    if arguments.json:
        print(json_text(to_json(outlook, None), indent=2))
    else:
        print("\n".join([*lines_of(outlook), "Nothing was changed (--what-if)."]), flush=True)
    _refuse(arguments, paths, signs)
    return 0


def _clean(
    arguments: argparse.Namespace, paths: WorkspacePaths, config: Config | None, spared: tuple[Spared, ...]
) -> int:
    """Do it under the instance lock, so that no start comes in between."""
    if not paths.loop.is_dir() and (outlook := _outlook(arguments, paths, config, spared)).link_to_remove is None:
        _tell(arguments, outlook, Done(parts=(), archive=None))  # not even a lock is left there
        return 0
    with InstanceLock(paths.instance_lock, "another command of llm-loop", _PATIENCE_S):
        _refuse(arguments, paths, settle(paths))
        outlook = _outlook(arguments, paths, config, spared)
        if not arguments.json:
            print("\n".join(lines_of(outlook)), flush=True)
        done = carry_out(paths, outlook.parts, outlook.link_to_remove, utc_stamp(SystemClock().utc_now()))
    _tell(arguments, outlook, done)
    return 0


def _tell(arguments: argparse.Namespace, outlook: Outlook, done: Done) -> None:
    print(json_text(to_json(outlook, done), indent=2) if arguments.json else outcome_line(outlook, done))


def _outlook(
    arguments: argparse.Namespace, paths: WorkspacePaths, config: Config | None, spared: tuple[Spared, ...]
) -> Outlook:
    wishes = Wishes(keep_login=arguments.keep_codex_login, archive=not arguments.no_archive)
    return outlook_of(paths, config, spared, wishes, keep_link=arguments.keep_data_link)


def _configuration(arguments: argparse.Namespace, paths: WorkspacePaths) -> tuple[Config | None, tuple[Spared, ...]]:
    """Return the configuration and what it spares. Raises ConfigError, where it cannot be read unless forced."""
    path = _config_path(paths)
    try:
        config = load_config(path, paths.root, os.environ)
    except ConfigError as error:
        if not arguments.force:
            raise ConfigError(
                f"{error}\nSo nobody knows where the data and the sealed test rows lie: mend that, or see --force; "
                "nothing was changed"
            ) from error
        if arguments.no_archive:
            raise ConfigError(
                f"{error}\nSo --no-archive is refused: nobody knows where test rows are sealed"
            ) from error
        return None, ()
    spared = spared_places(config, path, paths)
    usual = paths.root / _DEFAULT_CONFIG
    if path != usual and usual.is_file():  # a heartbeat is no proof: what either of them names stays
        with suppress(ConfigError):
            spared += spared_places(load_config(usual, paths.root, os.environ), usual, paths)
    return config, spared


def _config_path(paths: WorkspacePaths) -> Path:
    """Return the configuration that the loop here was last started with."""
    try:
        said = text_of(dict_of(files.read_json(paths.heartbeat)).get("config_path"), 4_000)
    except (OSError, CorruptFileError):
        said = None
    path = paths.root / (said or _DEFAULT_CONFIG)
    return path if path.is_file() else paths.root / _DEFAULT_CONFIG


def _refuse(arguments: argparse.Namespace, paths: WorkspacePaths, signs: Signs) -> None:
    """Raise WorkspaceBusyError beside what lives, LoopError where that cannot be told and nothing is forced."""
    if signs.why_not is not None:
        raise WorkspaceBusyError(signs.why_not)
    unknown = list(signs.unknown)
    if paths.loop.is_symlink() and not paths.events.exists() and unfinished(paths) is None:
        unknown.append(f"{paths.loop} leads to {os.path.realpath(paths.loop)}, which holds no journal of a loop")
    if unknown and not arguments.force:
        raise LoopError(f"{'; '.join(unknown)}; nothing was changed (see --force)")
