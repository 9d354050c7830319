"""The front door of llm_loop, in the standard library alone: make what is missing, then hand over to the loop.

usage: python bootstrap.py [--workspace DIR] [--torch-index WHERE] VERB [flags]

  start      make both environments (.venv, .venv-train) and start the loop; further flags go to it
  data       make both environments, and prepare or check images: data prepare, check, link, openings
  install    make both environments and nothing else; --repair-extras: with the packages of the auto_repair maps in
             the workspace's config/daemon_config.json
  test       make both environments with the tools for tests and run the tests; further flags go to pytest (-n 0: one
             test after another)
  any other  make .venv and hand the whole command over to the loop: status, watch, show, export, stop, pause,
             resume, queue, resolve, finishup, clean, config, login, doctor; VERB --help explains one

  --torch-index WHERE   which torch to install: auto (the build that fits this machine, the default), pip (what your
                        own pip settings lead to), cpu, cu126, cu130, or the URL of a package index. It is remembered.

A second call does only what is missing. Exit codes: 1 the set-up failed (one line says why), 2 wrong usage,
130 interrupted, 129 or 143 ended by a signal; otherwise that of the loop or of the tests.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
_LOOP_VERBS = (
    "data",
    "status",
    "watch",
    "show",
    "diff",
    "leaderboard",
    "reproduce",
    "queue",
    "cancel",
    "approve",
    "reject",
    "resolve",
    "events",
    "export",
    "stop",
    "pause",
    "resume",
    "finishup",
    "clean",
    "config",
    "login",
    "doctor",
    "selftest",
    "autostart",
    "mcp",
)
_EXTRAS = "--repair-extras"
_MOST_SIDE_BY_SIDE = 8
_NO_TESTS = 5  # pytest's exit code when a selection leaves nothing to run


def main(arguments: "list[str]") -> int:
    """Run one verb and return the exit code; on POSIX systems a hand-over does not return."""
    if sys.version_info < OLDEST:
        _complain(f"Python {sys.version.split()[0]} is too old: get 3.11 or newer from python.org and use that.")
        return 1
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        torch_index, before, verb, after = split_arguments(arguments)
    except ValueError as error:
        _complain(str(error))
        return 2
    return _guarded(torch_index, before, verb, after)


def split_arguments(arguments: "list[str]") -> "tuple[str | None, list[str], str, list[str]]":
    """Take `--torch-index` out; return it (None: not given), what stands before the verb, the verb, what follows.

    Raises ValueError where a value or the verb is missing.
    """
    torch_index = None
    before, verb, after = [], "", []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        if name == "--torch-index":
            torch_index = value if equals else (waiting.pop(0) if waiting else "")
            if not torch_index or torch_index.startswith("-"):
                raise ValueError("--torch-index wants one of auto, pip, cpu, cu126, cu130 or the URL of an index.")
            continue
        if verb:
            after.append(word)
        elif word == "--workspace" and waiting:
            before += [word, waiting.pop(0)]
        elif word.startswith("-"):
            before.append(word)
        else:
            verb = word
    if not verb:
        raise ValueError(f"No verb given: start, install, test, {', '.join(_LOOP_VERBS)} (see --help).")
    return torch_index, before, verb, after


def _guarded(torch_index: "str | None", before: "list[str]", verb: str, after: "list[str]") -> int:
    """The wall: whatever stops the set-up ends in one line."""
    from environments.problem import SetupProblem, problem_of

    _end_in_order_on_signals()
    try:
        return _run(torch_index, before, verb, after)
    except SetupProblem as problem:
        _complain(str(problem))
    except OSError as error:
        _complain(str(problem_of(error)))
    except KeyboardInterrupt:
        _complain("Interrupted. The same command goes on where it stopped.")
        return 130
    return 1


def _end_in_order_on_signals() -> None:
    """Let a closed terminal or a plain kill end pip too; a signal that was ignored before (nohup) stays so."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _run(torch_index: "str | None", before: "list[str]", verb: str, after: "list[str]") -> int:
    from environments.checkout import Checkout, loop_steps, train_steps

    checkout = Checkout(root=ROOT, say=_say, torch_index=torch_index)
    dev = verb == "test"
    if verb == "install" and (unknown := [word for word in after if word != _EXTRAS]):
        _complain(f"install takes {_EXTRAS} and nothing else, not {unknown[0]!r} (see --help).")
        return 2
    extras = _repair_packages(before) if verb == "install" and _EXTRAS in after else []
    _warn_of_long_path()
    checkout.bring_up(checkout.loop_folder, loop_steps(checkout, dev=dev))
    if trains(verb, after):
        checkout.bring_up(checkout.train_folder, train_steps(checkout, dev=dev, extras=extras))
    if verb == "install":
        _say("Both environments are ready.")
        return 0
    if verb == "test":
        return run_tests(checkout.loop_folder, checkout.train_folder, after)
    return hand_over([_python(checkout.loop_folder), "-P", "-X", "utf8", "-m", "llm_loop", *before, verb, *after])


def trains(verb: str, after: "list[str]") -> bool:
    """Tell whether a verb needs the environment of the trainer; its help does not, nor what reads files alone."""
    if verb in ("install", "test"):
        return True
    only_reads = verb == "data" and after[:1] in (["link"], ["openings"])
    return verb in ("start", "data") and not only_reads and not {"--help", "-h"} & set(after)


def _repair_packages(before: "list[str]") -> "list[str]":
    from environments.repair_extras import repair_packages

    named = [word.partition("=")[2] for word in before if word.startswith("--workspace=")]
    if "--workspace" in before:
        named = [before[before.index("--workspace") + 1]]
    return repair_packages(ROOT, Path(named[0] if named else ROOT) / "config" / "daemon_config.json")


def run_tests(loop_folder: Path, train_folder: Path, flags: "list[str]") -> int:
    """Run the tests of the loop in its environment, those of the trainer in the other; return 0 when both pass."""
    parallel = side_by_side(flags)
    suites = (
        ("the loop", [_python(loop_folder), "-X", "utf8", "-m", "pytest", "--ignore=tests/trainer", *parallel]),
        ("the trainer", [_python(train_folder), "-X", "utf8", "-m", "pytest", "tests/trainer"]),
    )
    codes = []
    for name, argv in suites:
        _say(f"Tests of {name}: {' '.join(argv[1:] + flags)}")
        codes.append(_wait_for([*argv, *flags], ROOT))
    if all(code == _NO_TESTS for code in codes):
        return _NO_TESTS
    return next((code for code in codes if code not in (0, _NO_TESTS)), 0)


def side_by_side(flags: "list[str]") -> "list[str]":
    """Return what lets pytest run tests of the loop side by side: by one process more than cores, for many tests wait.

    Nothing where the flags choose their own, where they name a marker (those tests want the machine for themselves),
    and on Windows.
    """
    own = ("-n", "--numprocesses", "--dist", "--pdb", "--trace", "-m")
    if sys.platform == "win32" or any(flag.startswith(own) for flag in flags):
        return []
    return ["-n", str(min((os.cpu_count() or 1) + 1, _MOST_SIDE_BY_SIDE)), "--dist", "worksteal"]


def hand_over(argv: "list[str]") -> int:
    """Become the program `argv`; on Windows, where that cannot be, wait for it and return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execv(argv[0], argv)
    return _wait_for(argv, None)


def _wait_for(argv: "list[str]", folder: "Path | None") -> int:
    """Run a program to its end. Ctrl-C reaches it too: it ends by its own rules, and this waits for that."""
    process = subprocess.Popen(argv, cwd=folder)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _python(folder: Path) -> str:
    from environments.virtualenv import interpreter

    return str(interpreter(folder))


def _warn_of_long_path() -> None:
    from environments.checks import path_warning

    warning = path_warning(ROOT)
    if warning:
        _complain(warning)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _complain(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
