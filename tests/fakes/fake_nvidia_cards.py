"""An nvidia-smi that lists cards as a file tells it: ``fake_nvidia_cards.py FILE [flags]``.

FILE is JSON: ``mode`` (answer, stall, flood, family), ``lines`` printed as they are, ``stderr``, ``exit``. Each
call adds a line to FILE.calls. ``stall`` waits for ever, ``family`` too, with a child whose pid goes to FILE.child.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    file = Path(sys.argv[1])
    with file.with_name(f"{file.name}.calls").open("a", encoding="utf-8") as calls:
        calls.write(" ".join(sys.argv[2:]) + "\n")
    told = json.loads(file.read_text(encoding="utf-8"))
    mode = told.get("mode", "answer")
    if mode == "family":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        partial = file.with_name("child.tmp")
        partial.write_text(str(child.pid), encoding="ascii")
        partial.replace(file.with_name(f"{file.name}.child"))
    if mode in ("stall", "family"):
        time.sleep(600)
    while mode == "flood":
        print("0, GPU-00000000, flood, 1, 1, 1" * 1000, flush=True)
    for line in told.get("lines", []):
        print(line)
    sys.stderr.write(told.get("stderr", ""))
    return int(told.get("exit", 0))


if __name__ == "__main__":
    sys.exit(main())
