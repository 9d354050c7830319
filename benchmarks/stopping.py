"""Measure how long `llm-loop stop` takes to end a training that ignores every polite request, with all it started.

    .venv/bin/python benchmarks/stopping.py [--times 5] [--grace 3]

A real daemon, its keeper, a training that goes on whatever it is asked, and a grandchild in a session of its own.
The clock runs from the start of the command; target: all are gone within the grace and one second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.conftest import eventually, make_workspace  # noqa: E402
from tests.loop_process import LoopProcess, pid_is_alive, script  # noqa: E402

TARGET_S = 1.0


def stop_once(root: Path, grace_s: float) -> dict[str, float]:
    """Return when each of the tree was gone, in seconds after the command's start, without the grace."""
    make_workspace(root, stop_grace_seconds=grace_s, devices="none")
    script(root, {"train": "family"})
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    with LoopProcess(root, environ) as loop:
        folder = loop.paths.attempt("R0001", 1)
        training = loop.wait_for("attempt_started")["pid"]
        grandchild = int(eventually(lambda: (folder / "family.pid").exists() and (folder / "family.pid").read_text()))
        alive = {"training": training, "grandchild": grandchild, "daemon": loop.process.pid}
        argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), "stop"]
        began = time.monotonic()
        command = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        gone: dict[str, float] = {}
        while alive or "command" not in gone:
            passed = time.monotonic() - began - grace_s
            for name in [name for name, pid in alive.items() if not pid_is_alive(pid)]:
                gone[name] = passed
                del alive[name]
            if "command" not in gone and command.poll() is not None:
                gone["command"] = passed
            if passed > 30:
                raise SystemExit(f"still there: {', '.join(alive) or 'the command'}")
            time.sleep(0.01)
    return gone


def main() -> int:
    """Measure and print; the exit code is 1 where one time was above the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="How often (default: 5).")
    parser.add_argument("--grace", type=float, default=3.0, help="stop_grace_seconds (default: 3).")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [stop_once(Path(folder) / f"stop-{number}", arguments.grace) for number in range(arguments.times)]
    print(f"seconds beyond the grace of {arguments.grace:g} s until gone (median, largest; target {TARGET_S:g}):")
    for name in ("training", "grandchild", "daemon", "command"):
        times = [gone[name] for gone in found]
        print(f"  {name:<10}  {statistics.median(times):6.3f}  {max(times):6.3f}")
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"load average {load}, {os.cpu_count()} cores, {arguments.times} times")
    return 0 if max(max(gone.values()) for gone in found) <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
