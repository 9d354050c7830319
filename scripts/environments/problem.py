"""What can go wrong while an environment is made, told in one line with its mend."""

from __future__ import annotations

import errno


class SetupProblem(Exception):
    """Stop the set-up; the text is one line: what went wrong, then what to do about it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}. {mend}")
        self.what = what
        self.mend = mend


_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_WINDOWS_DISK_FULL = {39, 112}


def problem_of(error: OSError) -> SetupProblem:
    """Turn a failed file operation into the one line that a person needs."""
    where = error.filename or "a file of the set-up"
    if error.errno in _DISK_FULL or getattr(error, "winerror", None) in _WINDOWS_DISK_FULL:
        return SetupProblem(f"The disk is full ({where})", "Free some space and run the same command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        mend = "Put the checkout into a folder that you may write to, or run as the user who owns it"
        return SetupProblem(f"{where} cannot be written ({error.strerror})", mend)
    return SetupProblem(f"{where}: {error.strerror or error}", "Mend that and run the same command again")
