"""The key under which a passed check may be remembered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from llm_loop.validation.remembered import key_of
from tests.validation.conftest import POSIX_ONLY, request_of, write

FILES = {"train.py": "import torch\n", "other.py": "import torch\n", "a.yaml": "lr: 1\n", "b.yaml": "lr: 2\n"}


@pytest.fixture
def request_for(repository: Path, train_python: Path) -> Any:
    write(repository, FILES)
    return lambda command="python train.py --config a.yaml", **changes: (
        request_of(command, repository, train_python) | changes
    )


@pytest.mark.parametrize(
    "command",
    [
        "python train.py --config a.yaml --lr 3",
        "python train.py --lr 3 --config=a.yaml",
        "python  train.py --config 'a.yaml'",
    ],
)
def test_other_arguments_have_the_same_key(command: str, request_for: Any) -> None:
    key = key_of(request_for())
    assert key is not None and key == key_of(request_for(command))


@pytest.mark.parametrize(
    "command",
    ["python other.py --config a.yaml", "python train.py --config b.yaml", "python -m train --config a.yaml",
     "python -P train.py --config a.yaml", "python3 train.py --config a.yaml", "python train.py"],
)  # fmt: skip
def test_another_first_step_has_another_key(command: str, request_for: Any) -> None:
    assert key_of(request_for(command)) not in (None, key_of(request_for()))


def test_another_surrounding_has_another_key(request_for: Any, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", FILES)
    changed = [{"cwd": str(tmp_path / "deeper")}, {"python_path": ["/x"]}, {"run_files": [{"name": "x", "text": "y"}]}]
    keys = {key_of(request_for(**change)) for change in changed} | {key_of(request_for())}
    assert len(keys) == 4 and None not in keys


def test_what_changes_on_disk_changes_the_key(request_for: Any, repository: Path, train_python: Path) -> None:
    seen = {key_of(request_for())}
    for file in ("train.py", "a.yaml"):
        (repository / file).write_text("lr: 17  # longer\n", encoding="utf-8")
        seen.add(key_of(request_for()))
    root = train_python.parent.parent
    site = next(root.rglob("site-packages"))
    os.utime(site, ns=(1, 1))  # as an install does
    seen.add(key_of(request_for()))
    (repository / "new.py").write_text("", encoding="utf-8")
    os.utime(repository, ns=(1, 1))
    seen.add(key_of(request_for()))
    assert len(seen) == 5 and None not in seen


@pytest.mark.parametrize(
    "changes",
    [
        {"edited": ["train.py"]},
        {"checkout": "/x"},
        {"validate_command": "python look.py"},
        {"command": "python -m llm_loop.trainer --config a.yaml --output-dir {run_dir}"},
        {"command": "python gone.py"},
        {"command": "python 'train.py"},
        {"command": "python train.py --config gone.yaml"},
        {"command": None},
    ],
    ids=str,
)
def test_no_key_where_the_check_speaks_for_one_run_alone(changes: dict[str, Any], request_for: Any) -> None:
    assert key_of(request_for(**changes)) is None


def test_a_python_without_packages_of_its_own_has_no_key(request_for: Any, tmp_path: Path) -> None:
    assert key_of(request_for(train_python=str(tmp_path / "bin" / "python"))) is None


@POSIX_ONLY
def test_a_command_that_is_not_plain_has_no_key(request_for: Any) -> None:
    assert key_of(request_for("for x in 1; do python train.py; done")) is None
    assert key_of(request_for("cd . && python train.py | tee {run_dir}/log")) is not None
