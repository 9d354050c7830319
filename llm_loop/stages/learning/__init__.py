"""The parts of ``learn``: what it writes of a cycle."""
