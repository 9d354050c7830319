"""A bad night: kill the daemon and keepers of a working loop again and again, then count what was lost.

    python tests/chaos/run.py --kills 60 --seed 1               daemon kills at random moments
    python tests/chaos/run.py --kills 60 --seed 1 --keepers 20  keepers too
    python tests/chaos/run.py --steps 40 --seed 1               the daemon dies at a step of its own work
    python tests/chaos/run.py --keeper-steps 20 --seed 1        keepers die at steps of theirs
    python tests/chaos/run.py --full-disk 10 --seed 1           on a disk of 64 MB that is full now and then

Each kind has a workspace of its own, with trainings of half a second (some leave a grandchild in another session), a
worker that hangs now and then, and code that changes, so that kills meet jobs as well. Between kills files are torn,
cut, halved, removed or replaced by older ones. Prints losses, duplicates, orphans, files that do not parse and how long
a restart took (from its start to its first heartbeat, when all is re-adopted); exit code 1 on any loss. A killed keeper
costs an attempt, never a run. Linux; a full disk needs the right to mount one, and is left out without.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.chaos.night import Night, full_disks, keeper_steps, random_kills, step_kills

_TOLD = ("place_refused", "code_version", "run_adopted", "call_intended", "repaired")
_DISK = "size=64m"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="Daemon kills at random moments (default 0).")
    parser.add_argument("--keepers", type=int, default=0, metavar="N", help="Of them with a keeper too (default 0).")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="Deaths at a step (default 0).")
    parser.add_argument(
        "--keeper-steps", type=int, default=0, metavar="N", help="Starts with dying keepers (default 0)."
    )
    parser.add_argument("--full-disk", type=int, default=0, metavar="N", help="How often the disk is full (default 0).")
    parser.add_argument("--seed", type=int, default=1, help="Seed of the moments (default 1).")
    parser.add_argument("--keep", action="store_true", help="Leave the workspaces and name them.")
    asked = parser.parse_args()
    plans = [
        ("random moments", asked.kills, lambda night: random_kills(night, asked.kills, asked.keepers)),
        ("steps of the daemon", asked.steps, lambda night: step_kills(night, asked.steps)),
        ("steps of keepers", asked.keeper_steps, lambda night: keeper_steps(night, asked.keeper_steps)),
    ]
    lost = 0
    for name, times, act in plans:
        if times:
            with tempfile.TemporaryDirectory(prefix="bad night ") as folder:
                lost += _one(name, Path(folder), act, asked)
    if asked.full_disk:
        with _small_disk() as disk:
            if disk is not None:
                lost += _one("full disk", disk, lambda night: full_disks(night, asked.full_disk), asked)
    return int(lost > 0)


def _one(name: str, folder: Path, act: Callable[[Night], None], asked: argparse.Namespace) -> int:
    """Have one night and print what it cost; return how much."""
    began_s = time.monotonic()
    night = Night(folder / "work", random.Random(f"{asked.seed} {name}"))
    try:
        act(night)
        night.finish()
        counts = night.counts()
        print(f"== {name}, seed {asked.seed}, {time.monotonic() - began_s:.0f} s")
        _tell(night, counts)
    finally:
        night.loop.kill()
        if asked.keep:
            keep = Path(tempfile.mkdtemp(prefix="kept-night-"))
            shutil.copytree(night.root, keep / "work", symlinks=True)
            print(f"kept in {keep}")
    return sum(counts.values())


def _tell(night: Night, counts: dict[str, int]) -> None:
    events = night.journal.events()
    kinds = Counter(event["event"] for event in events)
    print(f"{kinds['run_staged']} runs, {len(night.places())} of them in a checkout, {len(events)} events")
    print(", ".join(f"{kinds[kind]} {kind}" for kind in _TOLD))
    print(", ".join(f"{count} {what}" for what, count in sorted(night.done.items()) if count))
    if deaths := night.keeper_deaths():
        print("keepers died before: " + ", ".join(f"{count} {step}" for step, count in sorted(deaths.items())))
    if times := night.loop.adopted_s:
        print(f"{len(times)} restarts: median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
    for name, count in counts.items():
        print(f"{count:6d}  {name}")
    for end in night.loop.bad_ends[:5]:
        print(end)
    for event in [event for event in events if event["event"] == "error"][:5]:
        print(json.dumps(event)[:2000])
    for survivor in sorted(night.survivors)[:5]:
        print(survivor)


@contextmanager
def _small_disk() -> Iterator[Path | None]:
    """Mount a small disk, in memory; None, and a sentence, where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="small disk ") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", _DISK, "tmpfs", folder]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, encoding="utf-8", timeout=10)
            refused = None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            refused = str(error)
        if refused is not None:
            print(f"== full disk: left out, a small disk cannot be mounted here ({refused})")
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], timeout=10, check=False)


if __name__ == "__main__":
    sys.exit(main())
