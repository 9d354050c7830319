"""Give Wine's C runtime the functions that it names and does not hold, by a library that forwards the rest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.windows.bench.chroot import run_inside
from tests.windows.bench.layout import Layout

SHIM = Path(__file__).with_name("shim.c")
_ORIGINAL = "usr/lib/x86_64-linux-gnu/wine/x86_64-windows/ucrtbase.dll"
_OURS = {
    "crealf": "real_part_f",
    "cimagf": "imaginary_part_f",
    "creal": "real_part",
    "cimag": "imaginary_part",
    "creall": "real_part",
    "cimagl": "imaginary_part",
}
_RENAMED = "ucrtorig"
_WINE_MARK = b"Wine builtin DLL"


def install_runtime(layout: Layout) -> None:
    """Build the library and put it, with the renamed original, into the prepared prefix."""
    work = layout.root / "windows" / "runtime"
    work.mkdir(parents=True, exist_ok=True)
    original = layout.root / _ORIGINAL
    dump = run_inside(layout, ["x86_64-w64-mingw32-objdump", "-p", f"/{_ORIGINAL}"], log="runtime")
    (work / "ucrtbase.def").write_text(export_list(exported_names(dump)), encoding="ascii")
    # with its mark the copy would be taken for a part of Wine, and looked for under its old name
    (work / f"{_RENAMED}.dll").write_bytes(original.read_bytes().replace(_WINE_MARK, bytes(len(_WINE_MARK)), 1))
    shutil.copyfile(SHIM, work / "shim.c")
    script = "cd /windows/runtime && x86_64-w64-mingw32-gcc -shared -nostdlib -Wl,-e,library_entry "
    script += "-o ucrtbase.dll shim.c ucrtbase.def"
    run_inside(layout, ["sh", "-c", script], log="runtime")
    for name in ("ucrtbase.dll", f"{_RENAMED}.dll"):
        shutil.copyfile(work / name, layout.prepared / "drive_c" / "windows" / "system32" / name)


def exported_names(dump: str) -> list[str]:
    """Return the names in the table of exports that ``objdump -p`` prints."""
    table = dump.partition("[Ordinal/Name Pointer] Table")[2]
    return re.findall(r"(?m)^\s*\[\s*\d+\].*?(\S+)$", table)


def export_list(names: list[str]) -> str:
    """Return the linker's list of exports: ours where we have one, else a pointer to the renamed original."""
    lines = [f'  "{name}" = {_OURS.get(name) or chr(34) + _RENAMED + "." + name + chr(34)}' for name in names]
    return "\n".join(["LIBRARY ucrtbase.dll", "EXPORTS", *lines, ""])
