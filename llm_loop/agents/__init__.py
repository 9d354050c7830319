"""Who decides: the worker and the mentor, called as child processes with a deadline."""
