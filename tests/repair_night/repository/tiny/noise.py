"""Noise, of a package that the environment lacks."""

import noisekit


def level() -> float:
    """Return how much noise there is."""
    return float(noisekit.level())
