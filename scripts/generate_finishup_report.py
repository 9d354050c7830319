"""Make the final report of a workspace, with any Python from 3.8 on: the loop's own environment does the work.

usage: python generate_finishup_report.py --workspace-root DIR [--top-k K] [--note TEXT] [--repo-root DIR]
           [--condensed-story-out FILE] [--paper-report-out FILE] [--leaderboard-json-out FILE]
           [--leaderboard-md-out FILE] [--html-out FILE]

Writes final_condensed_story.md, final_paper_report.md, final_leaderboard_topK.json and .md, final_figures/ and
final_report.html into .llm_loop/artifacts of the workspace, and prints one JSON line. It reads files alone: a loop that
is alive is not disturbed, sealed test rows are not opened. Exit codes: 0 made, also while no run has ended; 1 a file
cannot be read or written, or the loop's environment is missing; 2 wrong usage.
"""

import sys
from pathlib import Path

from bootstrap import hand_over
from environments.virtualenv import answers, interpreter

LOOP = Path(__file__).resolve().parent.parent / ".venv"


def main(arguments: "list[str]") -> int:
    """Hand the arguments over; on POSIX systems that does not return."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    if not answers(LOOP):
        mend = "make it with: python scripts/bootstrap.py install"
        print(f"generate_finishup_report: {LOOP} is no environment of the loop; {mend}", file=sys.stderr)
        return 1
    return hand_over([str(interpreter(LOOP)), "-P", "-X", "utf8", "-m", "llm_loop.report", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
