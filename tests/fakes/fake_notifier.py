"""A program that hears of calls for a person: `python fake_notifier.py FOLDER`.

It appends what it was given to FOLDER/heard.jsonl: the message on standard input, its variables and its arguments. Then
it does what FOLDER/mode says: `crash` (exit code 3, its login on standard error), `stall` (with a child), `loud`, or,
with nothing there, it ends well.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SECRET = "hunter2-of-the-program"


def main() -> int:
    folder = Path(sys.argv[1])
    heard = {
        "stdin": json.loads(sys.stdin.buffer.read().decode("utf-8")),
        "env": {name: value for name, value in os.environ.items() if name.startswith("LLM_LOOP_")},
        "argv": sys.argv[1:],
        "cwd": str(Path.cwd()),
    }
    with (folder / "heard.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(heard) + "\n")
    mode = (folder / "mode").read_text(encoding="utf-8").strip() if (folder / "mode").exists() else "well"
    if mode == "crash":
        print(f"cannot log in as {SECRET}", file=sys.stderr)
        return 3
    if mode == "stall":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        time.sleep(60)
    while mode == "loud":
        print("x" * 100_000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
