"""A self-test whose loop really loses something says so, and ends with exit code 1."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llm_loop.cli import main
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.selftest import blows

pytestmark = pytest.mark.slow


def forget_an_ending(paths: WorkspacePaths) -> None:
    """Take the journal's last ``run_ended`` out, as a loop does that acts before it writes."""
    lines = paths.events.read_text(encoding="utf-8").splitlines(keepends=True)
    ended = [place for place, line in enumerate(lines) if '"event": "run_ended"' in line]
    if ended:
        del lines[ended[-1]]
    paths.events.write_text("".join(lines), encoding="utf-8", newline="\n")
    paths.state.unlink(missing_ok=True)


def test_a_loss_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_environ: dict[str, str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(blows, "remove_the_state", forget_an_ending)
    for name in set(os.environ) - set(clean_environ):
        monkeypatch.delenv(name)
    code = main(["selftest", "--minutes", "0.1", "--seed", "5", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert (code, value["verdict"]) == (1, "loss")
    assert value["losses"]["events lost"] >= 1 and value["losses"]["gaps in seq"] == 1
    assert any(not check["ok"] for check in value["checks"])
    assert list(tmp_path.iterdir()) == []


def test_a_loop_that_does_not_start_any_more_is_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_environ: dict[str, str]
) -> None:
    def garble(paths: WorkspacePaths, rng: object = None) -> bool:
        paths.events.write_bytes(paths.events.read_bytes() + b"this is no event\n")
        return True

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(blows, "tear_the_journal", garble)
    for name in set(os.environ) - set(clean_environ):
        monkeypatch.delenv(name)
    code = main(["selftest", "--minutes", "0.1", "--seed", "5"])
    out = capsys.readouterr().out
    assert code == 1 and "LOSS  the loop of the self-test gave no sign of life" in out
    assert "LOSS  files that do not parse: 1" in out and "ok    orphans: 0" in out
    assert out.splitlines()[-1].startswith("NOT well")
    assert list(tmp_path.iterdir()) == []
