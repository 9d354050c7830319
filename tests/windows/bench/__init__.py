"""A Windows for tests on a Debian machine: Wine in a folder of its own, CPython for Windows, one run at a time."""
