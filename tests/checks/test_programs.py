"""The checks of Python, torch and git: real interpreters, torch played by a small module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llm_loop.checks import programs
from llm_loop.checks.check import Check, State

TORCH = """
class _Cuda:
    def is_available(self): return {available}
    def device_count(self): return 2
    def get_device_name(self, place): return f"GPU {{place}}"
class version: cuda = {built_for!r}
cuda = _Cuda()
__version__ = "9.9"
print("an import that talks")
"""


def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[Check]:
    (tmp_path / "torch.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return programs.check_torch(Path(sys.executable))


def test_the_devices_of_torch_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python, torch = ask(tmp_path, monkeypatch, TORCH.format(available=True, built_for="12.8"))
    assert (python.state, torch.state) == (State.OK, State.OK)
    assert torch.what == "torch 9.9, GPU 0, GPU 1"


@pytest.mark.parametrize(("built_for", "mend"), [("12.8", "driver"), (None, "bootstrap.py install")])
def test_no_gpu_is_worth_a_notice(
    built_for: str | None, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = ask(tmp_path, monkeypatch, TORCH.format(available=False, built_for=built_for))[-1]
    assert torch.state is State.NOTICE and mend in (torch.mend or "")


def test_a_torch_that_does_not_load_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = ask(tmp_path, monkeypatch, "raise OSError('libcudart.so.12: cannot open')\n")[-1]
    assert torch.state is State.PROBLEM and "libcudart" in torch.what and torch.mend


def test_an_interpreter_that_is_missing_or_none_is_a_failure(tmp_path: Path) -> None:
    missing = programs.check_torch(tmp_path / "python")
    none = tmp_path / "python.txt"
    none.write_text("no program", encoding="utf-8")
    for found in (missing, programs.check_torch(none)):
        assert [check.state for check in found] == [State.FAILED] and found[0].mend


def test_an_interpreter_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_TORCH_S", 2.0)
    (found,) = ask(tmp_path, monkeypatch, "import time\ntime.sleep(60)\n")
    assert found.state is State.FAILED and "no answer" in found.what


def test_this_python_and_git(monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.check_python().what.startswith("Python 3.")
    monkeypatch.setenv("PATH", "")
    found = programs.check_git()
    assert found.state is State.NOTICE and found.mend
