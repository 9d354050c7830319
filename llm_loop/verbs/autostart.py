"""``llm-loop autostart on|off|show``: let the machine start the loop again, or not."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Protocol

from llm_loop.autostart.watched import Installed, Watched

DEFAULT_CONFIG = Path("config/daemon_config.json")


class Starter(Protocol):
    """What starts the loop of one workspace again: a systemd user unit, or a scheduled task."""

    def turn_on(self, *, watch_now: bool) -> None:
        """Switch it on."""

    def turn_off(self) -> None:
        """Switch it off and remove it."""

    def show(self) -> Installed:
        """Return what is there."""


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "autostart",
        help="Let the machine start the loop again when it died or after a restart: on, off, or show.",
        description="Let the machine start the loop again when it died, or after the machine was restarted: a systemd "
        "user unit on Linux, a scheduled task at log-on on Windows. A loop that was ended on purpose (stop, Ctrl-C, a "
        "limit, a target) stays ended until you start it. One that dies 3 times within 10 minutes is not started again "
        "until you do; `status` says so. A loop that runs already is watched from now on.",
        epilog="Exit codes: 0 done; 1 the machine refused, or there is no systemd here.",
    )
    parser.add_argument("what", choices=["on", "off", "show"], help="Switch it on or off, or show what is there.")
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="The configuration of the loop to start, relative to the workspace (default: config/daemon_config.json).",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked, then say what is there. Raises LoopError when the machine refuses."""
    from llm_loop.contract.paths import WorkspacePaths
    from llm_loop.errors import ConfigError
    from llm_loop.system.files import json_text
    from llm_loop.system.instance_lock import is_held

    watched = Watched(workspace=arguments.workspace, config=arguments.config)
    starter = starter_here(watched)
    is_running = is_held(WorkspacePaths(watched.workspace).instance_lock)
    if arguments.what == "on":
        if not (watched.workspace / watched.config).is_file():
            raise ConfigError(
                f"{watched.workspace / watched.config}: there is no such configuration; nothing was set up"
            )
        starter.turn_on(watch_now=is_running)
    elif arguments.what == "off":
        starter.turn_off()
    found = starter.show()
    if arguments.json:
        notes = list(found.notes)
        value = {"schema_version": 1, "on": found.on, "kind": found.kind, "name": found.name, "place": found.place}
        print(json_text(value | {"loop_runs": is_running, "text": found.text, "notes": notes}, indent=2))
        return 0
    for line in _lines(arguments.what, found, is_running):
        print(line)
    return 0


def starter_here(watched: Watched) -> Starter:
    """Return what starts a loop again on this system."""
    if sys.platform == "win32":
        from llm_loop.autostart.scheduled_task import ScheduledTask

        return ScheduledTask(watched, os.environ)
    from llm_loop.autostart.systemd_unit import SystemdUnit

    return SystemdUnit(watched, os.environ)


def _lines(what: str, found: Installed, is_running: bool) -> list[str]:
    if not found.on:
        lines = [f"Autostart is off: no {found.kind} {found.name} is active."]
        return lines + [f"note: {note}" for note in found.notes]
    lines = [f"Autostart is on: {found.kind} {found.name} ({found.place})."]
    if what == "on":
        later = (
            "from its next start by the machine on; `llm-loop autostart on` while it runs lets it be watched at once"
        )
        lines.append(f"The loop is watched {'from now on' if is_running else later}.")
    if what == "show" and found.text is not None:
        lines.append(found.text.rstrip())
    return lines + [f"note: {note}" for note in found.notes]
