"""A systemctl that keeps what is enabled in the folder FAKE_SYSTEMD; the file ``no_bus`` there: it finds no systemd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

home = Path(os.environ["FAKE_SYSTEMD"])
with (home / "asked.txt").open("a", encoding="utf-8") as stream:
    stream.write("\t".join(sys.argv[1:]) + "\n")
if (home / "no_bus").exists():
    sys.exit("Failed to connect to bus: No medium found")
user, verb, *rest = sys.argv[1:]
assert user == "--user"
if verb == "enable":
    (home / rest[-1]).touch()
    print(f"Created symlink for {rest[-1]}.", file=sys.stderr)
elif verb == "disable":
    (home / rest[-1]).unlink()
elif verb == "is-enabled" and not (home / rest[-1]).exists():
    print("disabled")
    sys.exit(1)
