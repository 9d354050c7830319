"""Let the machine start the loop again: a systemd user unit on Linux, a scheduled task on Windows."""
