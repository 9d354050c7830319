"""Train with noise along a curve: the repository declares the package, the environment lacks it."""

import tiny.notes  # noqa: F401 - it notes the start
from tiny.training import main


def noise() -> float:
    import curve_tools

    return float(curve_tools.__version__) / 100


main(noise=noise())
