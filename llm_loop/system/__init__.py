"""Files, clock, processes and locks: the only rooms that touch the operating system."""
