"""What a person can do about a sandbox in which Codex cannot work."""

from __future__ import annotations

from collections.abc import Sequence

from llm_loop.agents.sandbox_choice import Act

_AGAIN = "then `llm-loop doctor`"
_NAMESPACES = (
    "allow user namespaces: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` on Ubuntu, "
    "`sudo sysctl kernel.unprivileged_userns_clone=1` on Debian; in a container its host must allow them; " + _AGAIN
)
_LINUX = (
    (("namespace", "Operation not permitted", "unshare", "uid map"), _NAMESPACES),
    (
        ("bwrap", "bubblewrap", "Permission denied"),
        f"install the Codex CLI again (`llm-loop login --install-cli`), {_AGAIN}",
    ),
)
_WINDOWS = (
    (
        ("helper_", "orchestrator_", "setup", "1223", "740"),
        'set windows_sandbox to "unelevated" in the configuration, or set the other one up as a user with '
        "administrator rights (`llm-loop doctor --set-up-sandbox`)",
    ),
    (("no effect",), f"see that `powershell -NoProfile -Command Get-Date` answers, which is Codex's shell, {_AGAIN}"),
    (("split writable root",), f"keep the workspace in a folder of your own on a local NTFS drive, {_AGAIN}"),
)
_UNKNOWN = {
    True: "set the stronger sandbox up as a user with administrator rights (`llm-loop doctor --set-up-sandbox`), or "
    f"keep the workspace in a folder of your own on a local NTFS drive, {_AGAIN}",
    False: f"install a newer Codex CLI (`llm-loop login --install-cli`), {_AGAIN}",
}


def mend_of(lacking: Sequence[Act], complaint: str | None, *, windows: bool) -> str | None:
    """Return what would let Codex do what is ``lacking``; None when nothing is."""
    if not lacking:
        return None
    said = (complaint or "").lower()
    if "did not end within" in said:
        return "run `llm-loop doctor` again when this machine has less to do"
    for marks, mend in _WINDOWS if windows else _LINUX:
        if any(mark.lower() in said for mark in marks):
            return mend
    return _UNKNOWN[windows]
