"""Run the loop's main job and its tests on Windows Python, under Wine, on a Linux machine.

    python -m tests.windows.run             the main job, then the tests marked `windows`, a real Codex in them
    python -m tests.windows.run --whole     the main job, then the whole default suite
    python -m tests.windows.run --fresh     the environments on the desk from nothing, not from the last run
    python -m tests.windows.run --minutes 25    fail when it takes longer, set-up included
    python -m tests.windows.run --only-main-job, --only-suite
    python -m tests.windows.run --pytest tests/memory -x      pytest alone, as you like it, on environments made before

The last line is `Windows: N passed, M skipped`, `Windows: FAILED: what`, or `Windows: not run: why` on a machine that
cannot have a bench. Exit codes: 0 passed or not run, 1 failed. Needs root, about 8 GB, a Debian mirror and a package
index; everything lies in one folder (WINDOWS_BENCH_DIR, default ~/.cache/llm_loop-windows-bench).
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from tests.windows.bench.build import build
from tests.windows.bench.layout import Layout, default_layout
from tests.windows.bench.machine import check_machine
from tests.windows.bench.problem import BenchFailure, CannotHave
from tests.windows.bench.session import Session, enter_namespace, only_one_run
from tests.windows.codex import SETTINGS, fetch_codex
from tests.windows.desk import lay_out
from tests.windows.main_job import MainJob
from tests.windows.suite import run_suite, run_tests

CHECKOUT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Run what is asked for, print the verdict as the last line, return the exit code."""
    flags = _parser().parse_args(words)
    layout = default_layout()
    signal.signal(signal.SIGTERM, _end)  # the first process of a namespace hears only what it listens to
    try:
        check_machine()
        enter_namespace([sys.executable, "-m", "tests.windows.run", *words])
        with only_one_run(layout, _say):
            signal.signal(signal.SIGALRM, _too_late)
            signal.setitimer(signal.ITIMER_REAL, flags.minutes * 60)
            build(layout, _say)
            counts = _on_the_bench(layout, flags)
    except CannotHave as reason:
        print(f"Windows: not run: {reason}", flush=True)
        return 0
    except BenchFailure as failure:
        verdict, _, seen = str(failure).partition("\n")
        print(f"{seen}\nWindows: FAILED: {verdict}", flush=True)
        return 1
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"Windows: {counts['passed']} passed{skipped}", flush=True)
    return 0


def _on_the_bench(layout: Layout, flags: argparse.Namespace) -> Counter[str]:
    desk = lay_out(layout, CHECKOUT, fresh=flags.fresh)
    if not flags.only_main_job:
        fetch_codex(layout, _say)
    counts: Counter[str] = Counter()
    with Session(layout, SETTINGS) as windows:
        try:
            if flags.pytest is not None:
                return run_tests(windows, flags.pytest)
            counts["passed"] += _main_job(windows, desk, only_set_up=flags.only_suite)
            return counts if flags.only_main_job else counts + run_suite(windows, whole=flags.whole)
        finally:
            for program in windows.programs():
                _say(f"left behind, and ended now: {program}")


def _main_job(windows: Session, desk: Path, *, only_set_up: bool) -> int:
    job = MainJob(windows, desk, _say)
    job.set_up()
    if not only_set_up:
        job.run()
    return job.passed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.windows.run", description="Run the main job and the tests on Windows Python, under Wine."
    )
    parser.add_argument("--whole", action="store_true", help="Run the whole default suite, not the marked tests alone.")
    parser.add_argument("--fresh", action="store_true", help="Make both environments from nothing.")
    parser.add_argument(
        "--minutes",
        type=float,
        default=180.0,
        metavar="M",
        help="Fail after M minutes, set-up included (default: 180).",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--only-main-job", action="store_true", help="Leave the suite out.")
    part.add_argument("--only-suite", action="store_true", help="Leave the main job out.")
    part.add_argument(
        "--pytest", nargs=argparse.REMAINDER, metavar="WORDS", help="Only run pytest, with all words that follow."
    )
    return parser


def _say(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:4.0f} s] {text}", flush=True)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _too_late(number: int, frame: object) -> None:
    raise BenchFailure("it was not done in the minutes that it had")


_BEGAN = time.monotonic()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
