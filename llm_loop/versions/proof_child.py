"""Say which file each module name leads to, in the Python that will train: ``python proof_child.py < question``.

Standard library only, for whatever Python 3 that is; nothing of the repository is imported or run, but for what
Python itself runs when it starts there, as it will in the run (``sitecustomize``). Reads
``{"names": [...], "files": [...], "first": [...]}``: names to look up, files to compile, folders for the front of the
search path. Prints one line, marked, with ``{"origins": {name: path or null}, "errors": {file: text}}``.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # typing costs time to import
if TYPE_CHECKING:
    from typing import Any

MARK = "llm-loop-proof:"


def find(name: str) -> str | None:
    """Return the file that ``import name`` would run, asking the finders as an import does; None when there is none."""
    parts = name.split(".")
    path = None
    stand_ins = []
    try:
        for count in range(1, len(parts)):
            package = ".".join(parts[:count])
            spec = ask(package, path)
            if spec is None or spec.submodule_search_locations is None:
                return None
            path = list(getattr(spec.submodule_search_locations, "_path", spec.submodule_search_locations))
            if package not in sys.modules:  # a namespace package asks its parent, which nobody has imported
                stand_ins.append(package)
                sys.modules[package] = type(sys)(package)
                sys.modules[package].__path__ = path
        spec = ask(name, path)
        origin: str | None = None if spec is None else spec.origin
        return origin
    finally:
        for package in stand_ins:
            del sys.modules[package]


def ask(name: str, path: list[str] | None) -> Any:
    """Return the first finder's spec of a module; a finder that fails finds nothing."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path, None)
        except Exception:  # noqa: BLE001 - somebody else's code
            continue
        if spec is not None:
            return spec
    return None


def trouble(file: str) -> str | None:
    """Return why a file does not compile, or None."""
    try:
        with open(file, "rb") as stream:  # noqa: PTH123
            compile(stream.read(), file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return str(error)
    return None


def main() -> None:
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    # with -I and -P a script's folder is not searched
    if sys.path and os.path.abspath(sys.path[0]) == own:  # noqa: PTH100
        sys.path[:1] = question["first"]
    answer = {
        "origins": {name: find(name) for name in question["names"]},
        "errors": {file: why for file in question["files"] for why in [trouble(file)] if why is not None},
    }
    sys.stdout.buffer.write(("\n" + MARK + json.dumps(answer) + "\n").encode("utf-8"))


if __name__ == "__main__":
    main()
