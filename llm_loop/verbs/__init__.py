"""The verbs of the command line: one a file, each with ``add_to`` and ``run``."""
