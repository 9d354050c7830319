"""``llm-loop start``: run the loop here, or in the background, until something ends it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from llm_loop import restarts
from llm_loop.agents.codex_home import is_ready
from llm_loop.agents.search_space import parse_search_space
from llm_loop.config import Config, load_config, missing_missions
from llm_loop.config.data_link import link_data
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.daemon import Daemon
from llm_loop.errors import CommandError, ConfigError, CorruptFileError, LoopError, WorkspaceBusyError
from llm_loop.limits import Limits, parse_until
from llm_loop.resetting.unfinished import refuse_unfinished
from llm_loop.stages.gate import load_policy
from llm_loop.stages.launch import training_python
from llm_loop.stages.observe import read_search_space
from llm_loop.system import files, processes
from llm_loop.system.clock import SystemClock
from llm_loop.system.instance_lock import InstanceLock, is_held
from llm_loop.verbs import finishup_at_start
from llm_loop.views.wording import idle_of, typed

DEFAULT_CONFIG = Path("config/daemon_config.json")
PRESETS = Path("config/presets")
_BACKGROUND_PATIENCE_S = 20.0
_VIEW_PATIENCE_S = 5.0


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "start",
        help="Run the loop until it is stopped, or until a limit given here or in the configuration ends it.",
        description="Run the loop until it is stopped, or until a limit given here or in the configuration ends it. "
        "It says which did. Ctrl-C ends trainings politely; closing the window leaves them for the next start.",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="The configuration, relative to the workspace (default: config/daemon_config.json).",
    )
    chosen.add_argument(
        "--preset",
        metavar="NAME",
        help="Take config/presets/NAME.json as the configuration, such as fracture_demo.",
    )
    parser.add_argument("--cycles", type=_count, metavar="N", help="End after N new cycles (default: no end).")
    duration = parser.add_mutually_exclusive_group()
    duration.add_argument(
        "--run-minutes", type=_minutes, metavar="M", help="End after M minutes, decimals allowed (default: no end)."
    )
    duration.add_argument(
        "--run-hours",
        type=finishup_at_start.hours,
        metavar="H",
        help="End after H hours, the last of them finishing up.",
    )
    parser.add_argument(
        "--until",
        metavar="CONDITION",
        help='End when a run meets this condition on a metric, such as "val_log_loss<=0.09" (default: no end).',
    )
    finishup_at_start.add_flags(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--detach", action="store_true", help="Run in the background and return once it is running.")
    place.add_argument("--new-window", action="store_true", help="Run in a console window of its own (Windows only).")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--plain", action="store_true", help="Print plain lines instead of the live screen.")
    shown.add_argument("--quiet", action="store_true", help="Print nothing while it runs.")
    parser.add_argument(
        "--autostarted",
        action="store_true",
        help="What autostart passes: the machine starts the loop, not a person. It waits while another daemon runs "
        "here; it starts nothing (exit code 0) when the loop was ended on purpose, nor (exit code 4, needs_human in "
        "the journal) when it died 3 times within 10 minutes.",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Start the loop; return when it ended (or, in the background, when it is running)."""
    if arguments.preset is not None:
        arguments.config = preset_file(arguments.workspace, arguments.preset)
    return _start_again(arguments) if arguments.autostarted else _start(arguments)


def _start_again(arguments: argparse.Namespace) -> int:
    """Start the loop for the machine, where it may; a person reads in the journal what kept it from that."""
    paths, clock = WorkspacePaths(arguments.workspace), SystemClock()
    restarts.wait_while_held(paths.instance_lock)
    if (why_not := restarts.allow(paths, clock)) is not None:
        print(why_not)
        return 0
    try:
        return _start(arguments)
    except WorkspaceBusyError:  # a person was quicker
        raise
    except LoopError as error:
        restarts.call_for_a_person(paths, clock, str(error), f"mend it, then `{typed('start')}`")
        raise


def _start(arguments: argparse.Namespace) -> int:
    paths = WorkspacePaths(arguments.workspace)
    check_length("the workspace", paths.root)  # first: nothing below such a folder may be found
    config_path = arguments.workspace / arguments.config
    run_minutes = arguments.run_minutes if arguments.run_hours is None else arguments.run_hours * 60
    finishup_at_start.check(arguments, run_minutes)
    limits = Limits(
        cycles=arguments.cycles,
        run_minutes=run_minutes,
        until=None if arguments.until is None else parse_until(arguments.until),
    )
    config = load_config(config_path, paths.root, os.environ)
    _check_places(config)
    load_policy(config.command_policy)
    space, base = read_search_space(config)
    if space is not None:
        parse_search_space(space, base or {}, subject=str(config.search_space))
    _say_how_it_decides(config, paths)
    if arguments.detach or arguments.new_window:
        return _start_elsewhere(arguments, paths)
    with InstanceLock(paths.instance_lock, holder(paths)) as lock:
        refuse_unfinished(paths)
        if (said := link_data(config)) is not None:
            talk(f"data: {said}")
        for line in finishup_at_start.write(arguments, run_minutes, config, paths):
            talk(line)
        daemon = Daemon(paths, config_path, os.environ, SystemClock(), limits, lock)
        view = None if arguments.quiet else _start_view(paths, plain=arguments.plain)
        reason = daemon.run()
    if view is not None:
        _let_view_finish(view)
    print(f"llm_loop ended: {reason}.")
    use = daemon.slot_use
    if (idle := idle_of(use.idle_fraction(), use.figures(), config.max_parallel_runs)) is not None:
        print(f"Run slots: {idle}, from the first launch to the last end of each.")
    return 0


def preset_file(workspace: Path, name: str) -> Path:
    """Return the configuration of a preset, relative to the workspace. Raises ConfigError for one that is not there."""
    known = sorted(path.stem for path in (workspace / PRESETS).glob("*.json"))
    if name not in known:
        raise ConfigError(f"--preset {name}: {workspace / PRESETS} holds {', '.join(known) or 'no presets'}")
    return PRESETS / f"{name}.json"


def holder(paths: WorkspacePaths) -> str:
    """Return who holds the workspace: the daemon of the heartbeat, if that one lives, else another process."""
    try:
        beat = files.read_json(paths.heartbeat)
        identity = beat.get("identity")  # a daemon of before told none
        is_gone = identity is not None and processes.identity_of(beat["pid"]) != identity
        if beat["daemon_status"] == "stopped" or is_gone:
            return "another process: a daemon that has just started, or a command such as `llm-loop queue add`"
        return f"the daemon with pid {beat['pid']}, started {beat['started_utc']}"
    except (AttributeError, OSError, CorruptFileError, KeyError, TypeError):
        return "another daemon"


def check_length(what: str, folder: Path, longest: int | None = processes.LONGEST_WORKING_FOLDER) -> None:
    """Raise ConfigError for a folder in which no program can be started, because its path is too long.

    ``longest`` counts UTF-16 units, as Windows does; None: the system knows no such limit.
    """
    length = len(os.path.normpath(folder).encode("utf-16-le", "surrogatepass")) // 2
    if longest is not None and length > longest:
        raise ConfigError(
            f"{what}: {folder} is {length} characters long, and Windows starts no program in a folder of more than "
            f"{longest}; move it to a shorter path"
        )


def _check_places(config: Config) -> None:
    """Raise ConfigError for a place that a run needs and that is not there: nothing is started."""
    for key, folder in (("workspace_root", config.workspace_root), ("training_repo_root", config.training_repo_root)):
        check_length(key, folder)
        if not folder.is_dir():
            raise ConfigError(f"{key}: {folder} is no folder; set {key} in the configuration")
    python = training_python(config)
    if not python.exists():
        raise ConfigError(
            f"train_python_exe: {python} does not exist; make the training environment with "
            "`python scripts/bootstrap.py install`, or set train_python_exe in the configuration"
        )


def _say_how_it_decides(config: Config, paths: WorkspacePaths) -> None:
    if config.worker_command is not None:
        talk(f"The worker is the program `{config.worker_command}`.")
    elif not config.codex_enabled:
        talk("The built-in planner decides (codex_enabled is false).")
    elif is_ready(paths.codex_home, os.environ):
        talk(f"Codex decides ({config.model or 'its own default model'}), and the built-in planner while it is out.")
    else:
        talk(f"No Codex login: the built-in planner decides. To log in: {typed('login')}")
    for notice in (*config.notices, *missing_missions(config)):
        talk(f"note: {notice}")


def _start_elsewhere(arguments: argparse.Namespace, paths: WorkspacePaths) -> int:
    """Start the same loop in the background or in a new window, and wait until it runs.

    Raises WorkspaceBusyError when another daemon holds the workspace: its heartbeat would pass for the new one's.
    """
    with InstanceLock(paths.instance_lock, holder(paths)):
        refuse_unfinished(paths)
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(paths.root), "start", "--plain"]
    argv += ["--config", str(arguments.config)]
    for flag in ("cycles", "run_minutes", "run_hours", "until", *finishup_at_start.FLAGS):
        value = getattr(arguments, flag)
        argv += [] if value is None else [f"--{flag.replace('_', '-')}={value}"]
    if arguments.new_window:
        argv.remove("--plain")
        window = processes.start_in_window(argv)
        print(f"llm_loop starts in a window of its own (pid {window.pid}).")
        return 0
    paths.logs.mkdir(parents=True, exist_ok=True)
    before = files.signature(paths.heartbeat)
    with paths.daemon_log.open("ab") as output:
        process, notice = processes.start_detached(argv, os.environ, output)
    if notice is not None:
        talk(f"note: {notice}")
    return _await_heartbeat(process, paths, before)


def _await_heartbeat(process: processes.Started, paths: WorkspacePaths, before: tuple[int, int] | None) -> int:
    give_up = time.monotonic() + _BACKGROUND_PATIENCE_S
    while time.monotonic() < give_up:
        if (code := process.poll()) is not None:
            said = files.read_tail(paths.daemon_log, 2000).strip().splitlines()
            if code != 0:
                raise CommandError(f"the loop ended at once (exit code {code}): {said[-1] if said else 'no word'}")
            print(f"llm_loop ran and ended already; its words are in {paths.daemon_log}.")
            return 0
        if _beats(paths, before):
            print(f"llm_loop runs in the background. Look: {typed('status')}. End: {typed('stop')}.")
            return 0
        time.sleep(0.1)
    raise CommandError(
        f"the loop (pid {process.pid}) gave no sign of life in {_BACKGROUND_PATIENCE_S:g} s; see {paths.daemon_log}"
    )


def _beats(paths: WorkspacePaths, before: tuple[int, int] | None) -> bool:
    """Tell whether the daemon that holds the workspace has written a heartbeat since ``before``."""
    try:
        fresh = files.signature(paths.heartbeat) != before
        return fresh and is_held(paths.instance_lock) and files.read_json(paths.heartbeat)["daemon_status"] == "running"
    except (OSError, CorruptFileError, KeyError):
        return False


def _start_view(paths: WorkspacePaths, *, plain: bool) -> subprocess.Popen[bytes]:
    """Show progress from a child: a console that blocks (selected text, Ctrl-S) must not stop the daemon."""
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(paths.root), "watch"]
    argv += ["--attached", str(os.getpid())] + (["--plain"] if plain else [])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is the daemon's to answer
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, before)


def _let_view_finish(view: subprocess.Popen[bytes]) -> None:
    try:
        view.wait(_VIEW_PATIENCE_S)
    except subprocess.TimeoutExpired:
        view.kill()
        view.wait()


def talk(text: str) -> None:
    """Say something to the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return value


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value
