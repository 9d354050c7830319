"""Start the command line as ``python -m llm_loop``."""

from llm_loop.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
