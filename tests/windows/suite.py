"""The test suite on Windows Python: the marked tests, or all of them; what pytest counted."""

from __future__ import annotations

from collections import Counter

from tests.windows.bench.problem import BenchFailure
from tests.windows.bench.session import PYTHON, Done, Session
from tests.windows.counts import counts_of
from tests.windows.desk import INSIDE

_SET_UP_S = 900.0
_MARKED = "windows and not slow and not chaos"
_MARKED_S = 1080.0
_WHOLE_S = 7200.0


def run_tests(windows: Session, words: list[str]) -> Counter[str]:
    """Run pytest with these words in the loop's environment, as a developer does. Raises BenchFailure."""
    tools = [PYTHON, "scripts\\bootstrap.py", "test", "--version"]  # makes what is missing, then runs nothing
    _passing(windows.run(tools, folder=INSIDE, deadline_s=_SET_UP_S, show=True))
    argv = [".venv\\Scripts\\python.exe", "-X", "utf8", "-m", "pytest", "-p", "no:cacheprovider", *words]
    return _passing(windows.run(argv, folder=INSIDE, deadline_s=_WHOLE_S, show=True))


def run_suite(windows: Session, *, whole: bool) -> Counter[str]:
    """Run `bootstrap.py test` and return how many tests passed and were skipped. Raises BenchFailure."""
    argv = [PYTHON, "scripts\\bootstrap.py", "test", "-q", "-rs", "--durations=20", "-p", "no:cacheprovider"]
    argv += [] if whole else ["-m", _MARKED]
    done = windows.run(argv, folder=INSIDE, deadline_s=_WHOLE_S if whole else _MARKED_S, show=True)
    counts = _passing(done)
    if not counts["passed"]:
        raise BenchFailure("the suite: no test ran")
    return counts


def _passing(done: Done) -> Counter[str]:
    """Return what was counted; raise BenchFailure when anything failed."""
    counts = counts_of(done.out)
    if done.code or counts["failed"] or counts["error"]:
        raise BenchFailure(
            f"the suite: exit code {done.code}, {', '.join(f'{n} {word}' for word, n in counts.items())}"
        )
    return counts
