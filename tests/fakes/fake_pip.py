"""A pip that does what a file says: `python fake_pip.py VERB ...` with FAKE_PIP_DIR set.

The folder's `answers.json` is a list of {"match", "output", "exit_code", "report", "hang_s", "child_file"}: the first
whose `match` is part of the command line counts, and is used up when it has `"once": true`. Every call's arguments are
appended to `calls.jsonl`. `child_file`: starts a child that writes this file after 1 s, to be ended before that.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

CHILD = "import sys, time, pathlib; time.sleep(1); pathlib.Path(sys.argv[1]).write_text('alive')"


def main() -> int:
    folder = Path(os.environ["FAKE_PIP_DIR"])
    arguments = sys.argv[1:]
    with (folder / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps({"argv": arguments, "cwd": str(Path.cwd())}) + "\n")
    answer = take_answer(folder / "answers.json", " ".join(arguments))
    if "report" in answer:
        report = Path(arguments[arguments.index("--report") + 1])
        report.write_text(json.dumps(answer["report"]), encoding="utf-8")
    if "child_file" in answer:
        subprocess.Popen([sys.executable, "-c", CHILD, answer["child_file"]])
    sys.stdout.buffer.write(answer.get("output", "").encode())
    sys.stdout.flush()
    time.sleep(answer.get("hang_s", 0))
    return int(answer.get("exit_code", 0))


def take_answer(file: Path, command: str) -> dict:
    answers = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    for place, answer in enumerate(answers):
        if answer["match"] in command:
            if answer.get("once"):
                file.write_text(json.dumps(answers[:place] + answers[place + 1 :]), encoding="utf-8")
            return answer
    return {}


if __name__ == "__main__":
    sys.exit(main())
