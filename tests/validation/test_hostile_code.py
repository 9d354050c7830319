"""Repositories that would break who reads them: what cannot be read is not told, and nothing of it is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.validation.conftest import POSIX_ONLY, Check, failure, no_failure, states, write


def test_nothing_is_run(repository: Path, check: Check) -> None:
    marker = repository / "ran"
    runs = f"open({str(marker)!r}, 'w').close()\n"
    write(repository, {"train.py": "import parts.model\n" + runs, "parts/__init__.py": runs, "parts/model.py": runs})
    found = states(check("python train.py"))
    assert (found["code"], found["modules"], marker.exists()) == ("passed", "passed", False)
    assert not list(repository.rglob("__pycache__"))


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 5_000 + ")" * 5_000 + "\n",
        "x = " + "-" * 100_000 + "1\n",
        "x = 1" + " + 1" * 100_000 + "\n",
        "x = " + "a." * 50_000 + "b\n",
        "".join("\t" * depth + "if x:\n" for depth in range(99)) + "\t" * 99 + "pass\n",
    ],
    ids=["brackets", "signs", "sum", "attributes", "blocks"],
)
def test_code_that_is_nested_without_end(text: str, repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\nimport deep\n", "deep.py": text})
    answer = check("python train.py")
    if states(answer).get("code") == "failed":  # Python itself says so
        with pytest.raises((SyntaxError, MemoryError, RecursionError)):
            compile(text, "deep.py", "exec")
    else:
        no_failure(answer)


def test_imports_without_end(repository: Path, check: Check) -> None:
    write(repository, {f"m{number}.py": f"import m{number + 1}\n" for number in range(400)})
    write(repository, {"m400.py": "x = (\n", "train.py": "import m0\n"})
    no_failure(check("python train.py"))  # further than it looks


def test_two_hundred_files_deep_it_is_still_looked(repository: Path, check: Check) -> None:
    write(repository, {f"m{number}.py": f"import m{number + 1}\n" for number in range(150)})
    write(repository, {"m150.py": "import missing_one\n", "train.py": "import m0\n"})
    assert failure(check("python train.py"))["details"] == {"module": "missing_one"}


def test_bytes_that_are_no_text(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import latin, cookie, marked\n"})
    (repository / "cookie.py").write_bytes("# -*- coding: latin-1 -*-\na = 'größe'\n".encode("latin-1"))
    (repository / "marked.py").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    (repository / "latin.py").write_bytes(b"a = 1\n")
    no_failure(check("python train.py"))
    (repository / "latin.py").write_bytes("a = 'größe'\n".encode("latin-1"))
    assert failure(check("python train.py"))["cause"] == "code_error"
    (repository / "latin.py").write_bytes(b"a = 1\n\0\n")
    assert failure(check("python train.py"))["cause"] == "code_error"


def test_a_large_file_is_left_alone(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import table\nimport torch\n", "table.py": "x = 1\n" * 200_000 + "x = (\n"})
    no_failure(check("python train.py"))


@POSIX_ONLY
def test_links_in_circles_and_pipes(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\nimport around\nimport piped\n"})
    (repository / "around").symlink_to(repository, target_is_directory=True)
    os.mkfifo(repository / "piped.py")
    no_failure(check("python train.py"))
    no_failure(check("python around/around/around/train.py"))
    (repository / "loop.py").symlink_to(repository / "loop.py")
    assert failure(check("python loop.py"))["cause"] == "program_missing"
    write(repository, {"train.py": "import missing_one\n"})
    assert failure(check("python train.py"))["details"] == {"module": "missing_one"}


@POSIX_ONLY
def test_a_linked_script_looks_beside_its_target(repository: Path, check: Check, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"train.py": "import beside\n", "beside.py": ""})
    (repository / "train.py").symlink_to(tmp_path / "elsewhere" / "train.py")
    assert states(check("python train.py"))["modules"] == "passed"


def test_a_start_that_prints_and_fails(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\n"})
    write(repository, {"path/sitecustomize.py": "print('llm-loop-code:{}')\nprint('x' * 100_000)\n"})
    no_failure(check("python train.py", python_path=[str(repository / "path")]))
    write(repository, {"path/sitecustomize.py": "import os\nos._exit(3)\n"})
    found = states(check("python train.py", python_path=[str(repository / "path")]))
    assert (found["code"], found["modules"]) == ("unknown", "unknown")


def test_an_import_hook_that_fails(repository: Path, check: Check) -> None:
    hook = "import sys\nclass Hook:\n    def find_spec(self, *_):\n        1 / 0\nsys.meta_path.insert(0, Hook())\n"
    write(repository, {"train.py": "import torch\nimport only_the_hook_knows\n", "path/sitecustomize.py": hook})
    no_failure(check("python train.py", python_path=[str(repository / "path")]))


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 20_000 + "]" * 20_000,
        "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(2_000)),
        "\0",
        "a: \x07",
    ],
    ids=["deep", "aliases", "zero", "bell"],
)
def test_configs_that_break_who_reads_them(text: str, repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\n"})
    (repository / "a.yaml").write_bytes(text.encode())
    answer = check("python train.py --config a.yaml")
    assert answer["checks"][4]["name"] == "config"
    assert answer["checks"][4]["state"] == "unknown" or "not valid YAML" in answer["checks"][4]["line"]


def test_a_config_file_that_is_too_large_or_no_file(repository: Path, check: Check) -> None:
    write(repository, {"train.py": "import torch\n", "a.yaml": "a: [\n" + "# x\n" * 100_000, "b.yaml/x": ""})
    for name in ("a.yaml", "b.yaml"):
        answer = check(f"python train.py --config {name}")
        no_failure(answer)
        assert states(answer)["config"] == "unknown"


def test_a_python_that_is_none(repository: Path, check: Check, tmp_path: Path) -> None:
    write(repository, {"train.py": "import torch\n"})
    fake = tmp_path / "bin" / ("python.exe" if sys.platform == "win32" else "python")
    fake.parent.mkdir()
    fake.write_bytes(b"\x7fELF no program")
    fake.chmod(0o755)
    found = states(check("python train.py", train_python=str(fake)))
    assert (found["code"], found["modules"]) == ("unknown", "unknown")
