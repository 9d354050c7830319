"""How Wine is told what it needs to know, by environment."""

from __future__ import annotations

LOADER = "/usr/lib/wine/wine64"
_OWN_RUNTIME = "ucrtbase=n;"
# no questions about .NET and HTML: nothing here needs them
_LEFT_OUT = "mscoree,mshtml="


def wine_environ(prefix: str, *, own_runtime: bool = True) -> dict[str, str]:
    """Return the variables for a Windows program in the prefix at the path ``prefix``, as seen inside the Debian."""
    return {
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": "/tmp",
        "WINEPREFIX": prefix,
        "WINEARCH": "win64",
        "WINELOADER": LOADER,
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": (_OWN_RUNTIME if own_runtime else "") + _LEFT_OUT,
        # torch's threads ask for processor masks that Wine does not know
        "KMP_AFFINITY": "disabled",
    }
