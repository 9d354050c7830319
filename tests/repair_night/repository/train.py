"""Train on the points."""

import tiny.notes  # noqa: F401 - it notes the start
from tiny.training import main

main()
