"""What pytest counted, from what it printed."""

from __future__ import annotations

import re
from collections import Counter


def counts_of(printed: str) -> Counter[str]:
    """Return the sums over pytest's last lines (`12 passed, 1 skipped in 3.21s`), one for each suite."""
    counts: Counter[str] = Counter()
    for line in printed.splitlines():
        if re.search(r"\bin \d+(\.\d+)?s\b", line):
            for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", line):
                counts[word] += int(number)
    return counts
