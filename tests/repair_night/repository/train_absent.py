"""Train with a module whose package is named and can be had nowhere."""

import tiny.notes  # noqa: F401 - it notes the start

# isort: split
import absent_kit
from tiny.training import main

main(noise=absent_kit.LEVEL)
