"""What the loop's own work adds to a Codex call: the same prompt bare and through the loop, in pairs.

    python benchmarks/codex_call.py [--rounds 20] [--codex PATH]

The real client asks a scripted model on loopback that answers at once. A bare call is what a person would type; a call
of the loop is keeper, child, checkout, prompt, door and report, until its report is there.
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from llm_loop.agents.codex_binary import find_codex  # noqa: E402
from llm_loop.system.jobs import own_environment  # noqa: E402
from llm_loop.system.processes import HeldCommand, Keepers  # noqa: E402
from tests.call_desk import DECIDED, CallDesk  # noqa: E402
from tests.fakes.responses_server import ResponsesServer, answer  # noqa: E402


def bare(desk: CallDesk, made: Path) -> float:
    """Return the seconds of a plain ``codex exec`` with the prompt and the schema of a call that was made."""
    words = [str(desk.binary), "exec", "--json", "--ephemeral", "--skip-git-repo-check", "-m", "gpt-5.5"]
    words += ["-C", str(made), "--output-schema", str(made / "schema.json"), "-o", str(made / "bare.txt"), "-"]
    began = time.perf_counter()
    with (made / "prompt.txt").open("rb") as prompt, (made / "bare.jsonl").open("wb") as events:
        environ = desk.environ(CODEX_HOME=str(desk.paths.codex_home))
        subprocess.run(words, stdin=prompt, stdout=events, stderr=subprocess.DEVNULL, env=environ, check=True)
    return time.perf_counter() - began


def through_the_loop(desk: CallDesk, keepers: Keepers, *, checkout: bool) -> float:
    """Return the seconds of a call from its start by a keeper to the keeper's word that it is over."""
    folder = desk.folder(checkout=checkout)
    held = HeldCommand(
        argv=(sys.executable, "-X", "utf8", "-m", "llm_loop.stages.decide", str(folder)),
        cwd=desk.paths.root,
        stdout=folder / "stdout.txt",
        stderr=folder / "stderr.txt",
        stop_file=folder / "STOP",
        grace_s=1.0,
        deadline_s=60.0,
        tag=folder.name,
    )
    began = time.perf_counter()
    keepers.prepare(folder, held)
    keepers.start(folder, own_environment(desk.environ(), folder.name))
    while keepers.poll(folder, time.monotonic()) is None:
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    if not (folder / "answer.json").exists():
        raise SystemExit(f"the call failed: {(folder / 'report.json').read_text(encoding='utf-8')}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--codex", type=Path)
    arguments = parser.parse_args()
    binary = arguments.codex or find_codex(os.environ).path
    keepers = Keepers()
    with tempfile.TemporaryDirectory() as scratch, ResponsesServer([answer(DECIDED)]) as server:
        desk = CallDesk(Path(scratch), binary, server.config())
        made = desk.call(checkout=True).folder
        through_the_loop(desk, keepers, checkout=True)
        rows = [
            (
                bare(desk, made),
                through_the_loop(desk, keepers, checkout=False),
                through_the_loop(desk, keepers, checkout=True),
            )
            for _ in range(arguments.rounds)
        ]
    for name, place in (("bare codex exec", 0), ("a call", 1), ("a call with a checkout", 2)):
        median = statistics.median(row[place] for row in rows)
        added = statistics.median(row[place] - row[0] for row in rows)
        print(f"{name:24} median {median:.3f} s, added to the bare call beside it {added:.3f} s")


if __name__ == "__main__":
    main()
