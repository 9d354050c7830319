"""Hold files open, as an editor or a virus scanner does: ``file_holder.py FILE...``, until standard input closes."""

from __future__ import annotations

import sys
from contextlib import ExitStack

if __name__ == "__main__":
    with ExitStack() as stack:
        for name in sys.argv[1:]:
            stack.enter_context(open(name, "rb"))  # noqa: PTH123 - a path of any length and form
        print("held", flush=True)
        sys.stdin.read()
