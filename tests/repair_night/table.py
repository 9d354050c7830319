"""The table of a night: cause, mend and outcome of every decision.

    python -m tests.repair_night.table FOLDER          of the night that lies in FOLDER
    python -m tests.repair_night.table --run FOLDER    lets one happen there first (a minute or two)
    python -m tests.repair_night.table --run FOLDER --seed 1    with a daemon that is killed eight times

Exit code 1 when a claim does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from tests.repair_night.cases import Case, Ends, the_night
from tests.repair_night.claims import CLAIMS
from tests.repair_night.night import Night
from tests.repair_night.story import Mended, RunStory, Story, read_story

_HEAD = ("decision", "cause (phase)", "mend", "outcome")


def rows_of(story: Story, *, with_plain: bool = False) -> list[tuple[str, str, str, str]]:
    """Return a row a decision, those that failed first; the ones that just trained are one row together."""
    failed = [case for case in story.cases if case.ends is not Ends.TRAINED]
    order = sorted(failed, key=lambda case: [*Ends].index(case.ends))
    rows = [_row(case, story) for case in order]
    plain = [case for case in story.cases if case.ends is Ends.TRAINED]
    if with_plain:
        return rows + [_row(case, story) for case in plain]
    values = [run.value for case in plain for run in story.of(case) if run.value is not None]
    if values:
        span = f"trained, val_mse {min(values):.4f} to {max(values):.4f}"
        rows.append((f"{len(values)} of {len(plain)} others", "-", "-", span))
    return rows


def table_of(story: Story) -> str:
    """Return the table as Markdown."""
    lines = [_HEAD, tuple("---" for _ in _HEAD), *rows_of(story)]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def _row(case: Case, story: Story) -> tuple[str, str, str, str]:
    runs = story.of(case)
    if not runs:
        said = story.refused.get(case.label, [])
        return case.label, "edited code", "asked once more", f"refused: {said[-1]}" if said else "no trace"
    causes = [f"{one['diagnosis']['cause']} ({one['phase']})" for run in runs for one in run.diagnosed]
    mends = [_mend(one) for run in runs for one in run.mends]
    return case.label, ", then ".join(causes) or "-", "; ".join(mends) or "-", _outcome(runs[-1])


def _mend(mended: Mended) -> str:
    said = str(mended.intended["mend"]["why"])
    done = mended.done
    if done is None:
        return f"{said}: not done"
    taken_back = " (taken back)" if mended.undone else ""
    return said if done["ok"] and not taken_back else f"{said}: {done['outcome']}{taken_back}"


def _outcome(run: RunStory) -> str:
    if run.value is not None:
        return f"trained, val_mse {run.value:.4f}"
    calls = ", ".join(f"{call['id']}: {call['failure']}; {call['what_to_do']}" for call in run.calls)
    return f"{run.state}" + (f", {calls}" if calls else "")


def _let_it_happen(folder: Path, seed: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    night = Night(folder)
    with night.loop:
        if seed is None:
            night.live()
        else:
            print(f"{night.live_dying(random.Random(seed))} kills amid an install\n")
        if not night.lives():
            raise SystemExit(night.loop.process.communicate()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="Folder of the night.")
    parser.add_argument("--run", action="store_true", help="Let the night happen there first.")
    parser.add_argument("--seed", type=int, help="Kill the daemon at moments of this seed (default: never).")
    asked = parser.parse_args()
    if asked.run:
        _let_it_happen(asked.folder, asked.seed)
    story = read_story(asked.folder, the_night())
    print(table_of(story))
    wrong = [f"{claim.__name__}: {text}" for claim in CLAIMS for text in claim(story)]
    print("\n" + ("\n".join(wrong) or "All claims hold."))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
