"""What would surely fail is told before a slot is taken, with the cause and the names that a diagnosis gives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llm_loop.system.links import make_folder_link
from llm_loop.system.memory import host_memory
from tests.validation.conftest import POSIX_ONLY, STUBS, Check, failure, no_failure, states, write
from tests.windows.marks import not_under_wine

GOOD = {"train.py": "import torch\nfrom parts import model\n", "parts/__init__.py": "", "parts/model.py": "A = 1\n"}


@pytest.mark.parametrize(
    ("command", "check_name", "cause"),
    [
        ("python 'train.py", "command", None),
        ("nix_program --lr 1", "files", "program_missing"),
        ("python nix.py", "files", "program_missing"),
        ("python parts/nix.py --lr 1", "files", "program_missing"),
        ("./nix.sh", "files", "program_missing"),
        ("python train.py --config parts/nix.yaml", "files", "config_invalid"),
        ("python train.py --config {run_dir}/nix.yaml", "files", "config_invalid"),
        ("python -m nix_module", "modules", "missing_module"),
        ("python -m parts.nix", "modules", "missing_module"),
        ("python -m parts", "modules", "program_missing"),
        ("python -m deepspeed.launcher train.py", "modules", "missing_module"),
    ],
)
def test_a_command_that_names_what_is_not_there(
    command: str, check_name: str, cause: str | None, repository: Path, check: Check
) -> None:
    write(repository, GOOD)
    found = failure(check(command))
    assert (found["name"], found["cause"]) == (check_name, cause)
    assert found["why"] and found["seconds"] >= 0


@POSIX_ONLY
@pytest.mark.parametrize(
    ("command", "check_name", "cause"),
    [
        ("for x in 1 2; do python train.py", "command", None),
        ("python train.py | | tee x", "command", None),
        ("if true; then python train.py", "command", None),
        ("nix_program --lr 1 | tee log", "files", "program_missing"),
        ("A=1 python nix.py", "files", "program_missing"),
        ("cd parts && python train.py", "files", "program_missing"),
        ("set -e; python nix.py; python train.py", "files", "program_missing"),
        ("nohup python nix.py > log", "files", "program_missing"),
        ("nohup nix_program > log", "files", "program_missing"),
        ("bash nix.sh", "files", "program_missing"),
        ("A=1 python -m nix_module", "modules", "missing_module"),
    ],
)
def test_a_command_for_bash(command: str, check_name: str, cause: str | None, repository: Path, check: Check) -> None:
    write(repository, GOOD)
    found = failure(check(command))
    assert (found["name"], found["cause"]) == (check_name, cause)


def test_bash_says_where_it_does_not_read(repository: Path, check: Check, tmp_path: Path) -> None:
    write(tmp_path, {"three.sh": "exit 3\n"})
    bash = shutil.which("bash")
    if bash is None or subprocess.run([bash, str(tmp_path / "three.sh")], check=False).returncode != 3:
        pytest.skip("no bash, or one that does not read the files of this system")
    found = failure(check("for x in 1 2; do python train.py\n", shell="bash"))
    assert "syntax error" in found["line"] and str(repository.parent) not in found["line"]


@pytest.mark.parametrize(
    "files",
    [
        {"train.py": "import torch\nimport missing_one\nimport missing_two\n"},
        {"train.py": "import torch\nfrom missing_one.sub import a\n"},
        {"train.py": "def main():\n    pass\n\n\nif __name__ == '__main__':\n    import missing_one\n    main()\n"},
        {
            "train.py": "import parts\n",
            "parts/__init__.py": "from .model import A\n",
            "parts/model.py": "import missing_one\n",
        },
        {"train.py": "from parts import model\n", "parts/model.py": "from .. import x\nimport missing_one\n"},
        {"train.py": "import os\nos.environ['A'] = '1'\nimport torch\ntorch.set_num_threads(1)\nimport missing_one\n"},
        {"train.py": "try:\n    import missing_one\nfinally:\n    pass\n"},
        {"train.py": "import logging\nlog = logging.getLogger()\nlog.info('x')\nimport missing_one\n"},
    ],
)
def test_a_missing_module_is_named_once(files: dict[str, str], repository: Path, check: Check) -> None:
    write(repository, files)
    found = failure(check("python train.py --lr 1"))
    assert (found["name"], found["cause"], found["details"]) == ("modules", "missing_module", {"module": "missing_one"})
    assert found["line"] == "ModuleNotFoundError: No module named 'missing_one'"


def test_other_missing_modules_are_told_beside(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import missing_one\nimport missing_two, torch\n"})
    assert "missing_two" in failure(check("python train.py"))["why"]


def test_a_name_that_is_no_plain_one_is_not_passed_on(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import größe\n"})
    assert failure(check("python train.py"))["details"] == {"name_is_usable": False}


def test_a_missing_module_may_be_on_the_path_of_the_run(repository: Path, check: Check, tmp_path: Path) -> None:
    write(repository, {"train.py": "import missing_one\n"})
    write(tmp_path / "checkout" / "src", {"missing_one.py": ""})
    assert failure(check("python train.py"))["details"] == {"module": "missing_one"}
    no_failure(check("python train.py", python_path=[str(tmp_path / "checkout" / "src")]))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = (\n", 1),
        ("a = 1\nif a\n    b = 2\n", 2),
        ("def f():\nreturn 1\n", 2),
        ("a = 1\n\tb = 2\n", 2),
        ("return 1\n", 1),
    ],
)
def test_code_that_does_not_compile(text: str, line: int, repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\nfrom parts import model\n", "parts/model.py": text})
    found = failure(check("python train.py"))
    assert (found["name"], found["cause"]) == ("code", "code_error")
    assert found["details"] == {"file": str(repository / "parts" / "model.py"), "line": line, "edited": False}
    assert "Error: " in found["line"]


def test_edited_code_is_compiled_whoever_imports_it(repository: Path, check: Check) -> None:
    write(repository, GOOD | {"parts/lazy.py": "x = (\n"})
    no_failure(check("python train.py"))
    found = failure(check("python train.py", edited=["parts/lazy.py", "README.md", "parts/gone.py"]))
    assert found["details"] == {"file": str(repository / "parts" / "lazy.py"), "line": 1, "edited": True}
    found = failure(check("python -c 'pass'", edited=["parts/lazy.py"], checkout=str(repository)))
    assert found["cause"] == "code_error"


def test_the_grammar_is_that_of_the_python_that_trains(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "match 1:\n    case 1:\n        import torch\n"})
    no_failure(check("python train.py"))
    write(repository, {"train.py": "print 'Python 2'\n"})
    assert failure(check("python train.py"))["details"]["line"] == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "a: [1,\nb: 2\n", "not valid YAML (line"),
        ("a.yaml", "a: 1\n\tb: 2\n", "not valid YAML (line 2"),
        ("a.yml", "a: 'x\n", "not valid YAML"),
        ("a.json", '{"a": 1', "a.json"),
        ("a.json", '{"a": }', "a.json"),
    ],
)
def test_a_config_file_that_does_not_read(name: str, text: str, words: str, repository: Path, check: Check) -> None:
    write(repository, GOOD)
    command = f"python train.py --config {{run_dir}}/{name}"
    found = failure(check(command, run_files=[{"name": name, "text": text}]))
    assert (found["name"], found["cause"]) == ("config", "config_invalid")
    assert words in found["line"]


@not_under_wine("it makes no junctions, and the data of a checkout is one")
@pytest.mark.parametrize(
    ("words", "config", "script"),
    [
        (" --root data/x", "lr: 1\n", ""),
        ("", "root: data/x\n", ""),
        ("", "root: .\\data\\x\n", ""),
        ("", "lr: 1\n", "ROOT = 'data/images'\n"),
        ("", "lr: 1\n", "ROOT = r'.\\data\\images'\n"),
        ("", "lr: 1\n", "ROOT = '.\\\\data\\\\images'\n"),
    ],
)
def test_a_data_link_that_leads_nowhere(
    words: str, config: str, script: str, repository: Path, check: Check, tmp_path: Path
) -> None:
    write(repository, GOOD | {"a.yaml": config})
    write(repository, {"train.py": f"import torch\n{script}"})
    (tmp_path / "gone").mkdir()
    make_folder_link(repository / "data", tmp_path / "gone")  # as the loop links the data into a checkout
    (tmp_path / "gone").rmdir()
    found = failure(check(f"python train.py --config a.yaml{words}"))
    assert (found["name"], found["cause"]) == ("data", "data")
    write(repository, GOOD | {"a.yaml": "lr: 1\n"})
    assert states(check("python train.py --config a.yaml --root /x"))["data"] == "unknown"
    (tmp_path / "gone").mkdir()
    assert states(check("python train.py --root data/x"))["data"] == "passed"


def test_too_little_room(repository: Path, check: Check) -> None:
    write(repository, GOOD)
    memory = host_memory()
    assert memory is not None
    found = failure(check("python train.py", min_free_disk_mb=10**9))
    assert (found["name"], found["cause"]) == ("room", "disk_full")
    found = failure(check("python train.py", memory_bytes=memory.total_bytes + 1))
    assert (found["name"], found["cause"]) == ("room", "host_out_of_memory")
    taken: dict[str, Any] = check("python train.py", memory_bytes=memory.total_bytes - 1)
    assert states(taken)["room"] == "unknown"  # another run may give it back


def test_a_working_folder_that_is_gone(check: Check, tmp_path: Path) -> None:
    found = failure(check("python train.py", cwd=str(tmp_path / "gone")))
    assert (found["name"], found["cause"]) == ("files", "program_missing")


def test_the_stub_packages_are_there(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "".join(f"import {name}\n" for name in STUBS)})
    assert states(check("python train.py"))["modules"] == "passed"
