"""Train with a module that nobody names."""

import tiny.notes  # noqa: F401 - it notes the start

# isort: split
import inhouse_toolbox
from tiny.training import main

main(noise=inhouse_toolbox.LEVEL)
