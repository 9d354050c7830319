"""The child of a job leaves its answer in its folder, or nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from llm_loop.system import files, folders
from llm_loop.system.job_child import answer_job


def test_no_answer_is_left_where_the_folder_has_gone_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folders, "_kept", {})
    folder = tmp_path / "w" / ".llm_loop" / "jobs" / "one"
    files.replace_json(folder / "request.json", {"a": 1})

    def answer(request: Any, _: Path) -> Any:
        shutil.rmtree(tmp_path / "w")
        return request

    assert answer_job([str(folder)], module="one", what="one", answer=answer) == 1
    assert capsys.readouterr().err.startswith("one: cannot write") and not (tmp_path / "w").exists()
