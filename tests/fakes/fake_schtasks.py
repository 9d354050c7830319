"""A schtasks that keeps tasks in FAKE_TASKS, a folder, and takes no XML that does not parse."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

home = Path(os.environ["FAKE_TASKS"])
words = sys.argv[1:]
with (home / "asked.txt").open("a", encoding="utf-8") as stream:
    stream.write("\t".join(words) + "\n")
task = home / f"{words[words.index('/TN') + 1]}.xml"
if words[0] == "/Create":
    data = Path(words[words.index("/XML") + 1]).read_bytes()
    if data[:2] != b"\xff\xfe":
        sys.exit("ERROR: The task XML is malformed.")
    ElementTree.fromstring(data)
    task.write_bytes(data)
elif not task.exists():
    sys.exit("ERROR: The system cannot find the file specified.")
elif words[0] == "/Delete":
    task.unlink()
elif words[0] not in ("/Query", "/Run"):
    sys.exit(f"ERROR: Invalid argument/option - '{words[0]}'.")
