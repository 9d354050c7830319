"""Measure a code version and a checkout of a repository of 5,000 files: the first time, and when nothing changed.

    .venv/bin/python benchmarks/code_versions.py [--files 5000] [--rounds 3]

A fresh repository and a fresh store each round, the way a worker's call uses them. Prints one JSON object; the
figures are seconds, of this machine and disk (``TMPDIR`` says which) under their present load: medians over the
rounds, and the worst. ``plain_copy_s`` is what a bare loop takes to copy the same files once, in the same round: on a
disk that makes files slowly it says how much of the first time is the disk's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop.contract.decision import Edit  # noqa: E402
from llm_loop.versions.checkout import CheckoutRequest, open_checkout, release  # noqa: E402
from llm_loop.versions.collecting import collect  # noqa: E402
from llm_loop.versions.edits import apply_edits  # noqa: E402

_IGNORED = "__pycache__/\n*.py[cod]\n*.egg-info/\n.venv/\n/runs/\n/data/\n*.log\n.idea/\n.vscode/\nbuild/\ndist/\n"


def make_repository(folder: Path, files: int) -> None:
    """Make a repository of text files of 1 to 12 kB in some hundred folders, older than the last second."""
    drawn = random.Random(1)
    for number in range(files - 1):
        place = folder / f"package{number % 40}" / f"part{number % 9}" / f"module{number}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"value = {number}\n" * drawn.randint(80, 900), encoding="utf-8")
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    time.sleep(1.1)  # a file changed within the last second is read again: the index does not trust its time yet


def copy_plainly(repository: Path, target: Path) -> None:
    """Copy the files of a repository one by one."""
    for folder, _, names in os.walk(repository):
        place = target / os.path.relpath(folder, repository)
        place.mkdir(parents=True)
        for one in names:
            with open(f"{folder}/{one}", "rb") as source, open(f"{place}/{one}", "wb") as copy:  # noqa: PTH123
                copy.write(source.read())


def one_round(root: Path, files: int) -> dict[str, float]:
    """Return the seconds of each step of one round."""
    make_repository(root / "repository", files)
    spent: dict[str, float] = {}

    def request(name: str) -> CheckoutRequest:
        return CheckoutRequest(
            repository=root / "repository", versions=root / "versions", checkouts=root / "checkouts", checkout_id=name
        )

    began = time.perf_counter()
    copy_plainly(root / "repository", root / "plain")
    spent["plain_copy_s"] = time.perf_counter() - began
    began = time.perf_counter()
    first = open_checkout(request("first"))
    spent["first_version_and_checkout_s"] = time.perf_counter() - began
    began = time.perf_counter()
    assert collect(first).is_empty
    spent["collect_nothing_s"] = time.perf_counter() - began
    release(root / "checkouts", "first")
    began = time.perf_counter()
    second = open_checkout(request("second"))
    spent["unchanged_version_and_checkout_s"] = time.perf_counter() - began
    began = time.perf_counter()
    assert not apply_edits(second, [Edit(path="package1/part1/module1.py", new_text="value = 0\n")])
    change = collect(second)
    spent["one_edit_collected_s"] = time.perf_counter() - began
    assert len(change.files) == 1 and not change.refusals
    release(root / "checkouts", "second")
    began = time.perf_counter()
    third = open_checkout(request("third"))
    spent["after_an_edit_version_and_checkout_s"] = time.perf_counter() - began
    assert collect(third).is_empty
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000, help="files of the repository (default 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each with everything fresh (default 3)")
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="code-versions-") as folder:
            rounds.append(one_round(Path(folder), options.files))
    taken = {name: [one[name] for one in rounds] for name in rounds[0]}
    figures = {
        name: {"median": round(statistics.median(all_of), 3), "worst": round(max(all_of), 3)}
        for name, all_of in taken.items()
    }
    targets = {"first_version_and_checkout_s": 1.5, "unchanged_version_and_checkout_s": 0.3}
    said = {"files": options.files, "rounds": options.rounds, "figures": figures, "targets": targets}
    print(json.dumps(said, indent=2))
    return 0 if all(figures[name]["median"] <= most for name, most in targets.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
