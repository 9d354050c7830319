"""Train with noise."""

import tiny.notes  # noqa: F401 - it notes the start
from tiny.noise import level
from tiny.training import main

main(noise=level())
