"""The test suite on Windows Python: the marked tests, or all of them; what pytest counted."""

from __future__ import annotations

from collections import Counter

from tests.windows.bench.problem import BenchFailure
from tests.windows.bench.session import PYTHON, Session
from tests.windows.counts import counts_of
from tests.windows.desk import INSIDE

_SET_UP_S = 900.0
_MARKED = "windows and not slow"
_MARKED_S = 780.0
_WHOLE_S = 7200.0


def run_tests(windows: Session, words: list[str]) -> Counter[str]:
    """Run pytest with these words in the loop's environment, as a developer does. Raises BenchFailure."""
    tools = [PYTHON, "scripts\\bootstrap.py", "test", "--version"]  # makes what is missing, then runs nothing
    windows.run_to_screen(tools, folder=INSIDE, deadline_s=_SET_UP_S)
    argv = [".venv\\Scripts\\python.exe", "-X", "utf8", "-m", "pytest", "-p", "no:cacheprovider", *words]
    return counts_of(windows.run_to_screen(argv, folder=INSIDE, deadline_s=_WHOLE_S))


def run_suite(windows: Session, *, whole: bool) -> Counter[str]:
    """Run `bootstrap.py test` and return how many tests passed, were skipped, failed. Raises BenchFailure."""
    argv = [PYTHON, "scripts\\bootstrap.py", "test", "-q", "-rs", "--durations=20", "-p", "no:cacheprovider"]
    argv += [] if whole else ["-m", _MARKED]
    printed = windows.run_to_screen(argv, folder=INSIDE, deadline_s=_WHOLE_S if whole else _MARKED_S)
    counts = counts_of(printed)
    if not counts["passed"] or counts["failed"] or counts["error"]:
        raise BenchFailure(f"the suite: {dict(counts) or 'no test ran'}")
    return counts
