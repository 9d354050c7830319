"""Hold files open, as an editor does: ``file_holder.py [--alone] FILE...``, until standard input closes.

With ``--alone`` nobody else may even read them on Windows, as some virus scanners and backup programs have it.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack


def hold_alone(name: str) -> None:
    """Open a file without sharing it; it is held until this process ends."""
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateFileW.restype = wintypes.HANDLE
        generic_read, open_existing = 0x80000000, 3
        handle = kernel.CreateFileW(wintypes.LPCWSTR(name), generic_read, 0, None, open_existing, 0, None)
        if handle == wintypes.HANDLE(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())


if __name__ == "__main__":
    alone = sys.argv[1] == "--alone"
    with ExitStack() as stack:
        for file in sys.argv[1 + alone :]:
            hold_alone(file) if alone else stack.enter_context(open(file, "rb"))  # noqa: PTH123 - a path of any form
        print("held", flush=True)
        sys.stdin.read()
