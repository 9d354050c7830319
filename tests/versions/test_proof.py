"""The question to the training Python, asked directly: this part runs where no link can be made, too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_loop.versions.proof import EditedModule, Interpreter, edited_module, prove
from llm_loop.versions.refusal import CodeRefused
from tests.versions.foreign import write_files

FILES = ("src/net/__init__.py", "src/net/deep/__init__.py", "src/net/deep/one.py", "tools/go-fast.py", "space/two.py")


@pytest.mark.parametrize(
    ("path", "names", "own"),
    [
        ("src/net/deep/one.py", ("src.net.deep.one", "net.deep.one", "deep.one", "one"), "net.deep.one"),
        ("src/net/__init__.py", ("src.net", "net"), "net"),
        ("tools/go-fast.py", (), None),
        ("space/two.py", ("space.two", "two"), None),
        ("train.py", ("train",), None),
        ("my-lib/net/x.py", ("net.x", "x"), None),
    ],
)
def test_the_names_of_a_file(path: str, names: tuple[str, ...], own: str | None) -> None:
    found = edited_module(path, None, dict.fromkeys(FILES))
    assert (found.names, found.own_name) == (names, own)


def asked(checkout: Path, *paths: Path, **fields: float) -> Interpreter:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    return Interpreter(
        program=Path(sys.executable),
        flags=(),
        cwd=checkout,
        environment=environment,
        first=(),
        deadline_s=fields.get("deadline_s", 60.0),
    )


def module(path: str) -> EditedModule:
    return edited_module(path, None, dict.fromkeys(FILES))


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("checkout", "repository"):
        write_files(tmp_path / name, dict.fromkeys(FILES, "A = 1\n"))
    return tmp_path / "checkout", tmp_path / "repository"


def test_the_first_on_the_search_path_decides(trees: tuple[Path, Path]) -> None:
    checkout, repository = trees
    edited = [module("src/net/deep/one.py"), module("space/two.py")]
    first = asked(checkout, checkout, checkout / "src", repository / "src")
    assert [one.module for one in prove(edited, first, checkout, repository, frozenset())] == [
        "net.deep.one",
        "space.two",
    ]
    last = asked(checkout, repository / "src", checkout, checkout / "src")
    with pytest.raises(CodeRefused, match=r"net\.deep\.one is imported from the repository itself"):
        prove(edited, last, checkout, repository, frozenset())


def test_a_package_that_is_not_found_proves_nothing(trees: tuple[Path, Path]) -> None:
    checkout, repository = trees
    with pytest.raises(CodeRefused, match="no import finds it"):
        prove([module("src/net/deep/one.py")], asked(checkout, checkout), checkout, repository, frozenset())


def test_a_script_is_proven_by_its_name(trees: tuple[Path, Path]) -> None:
    checkout, repository = trees
    edited = [module("tools/go-fast.py")]
    with pytest.raises(CodeRefused, match="does not name it"):
        prove(edited, asked(checkout, checkout), checkout, repository, frozenset())
    named = prove(edited, asked(checkout, checkout), checkout, repository, frozenset({"tools/go-fast.py"}))
    assert named[0].module is None


def test_a_deadline_ends_it(trees: tuple[Path, Path]) -> None:
    checkout, repository = trees
    write_files(checkout, {"sitecustomize.py": "import time\ntime.sleep(60)\n"})
    with pytest.raises(CodeRefused, match="deadline"):
        prove([module("space/two.py")], asked(checkout, checkout, deadline_s=1.5), checkout, repository, frozenset())


def test_noise_of_the_environment_is_no_answer(trees: tuple[Path, Path]) -> None:
    checkout, repository = trees
    write_files(checkout, {"sitecustomize.py": "import atexit\nprint('hello')\natexit.register(print, 'bye')\n"})
    proofs = prove([module("space/two.py")], asked(checkout, checkout), checkout, repository, frozenset())
    assert proofs[0].module == "space.two"
