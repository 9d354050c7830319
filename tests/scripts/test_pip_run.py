"""A pip call: what is shown of it, its log, its end after the deadline, its failure."""

from __future__ import annotations

import time

import pytest

from environments.pip_run import condense, run_pip
from environments.problem import SetupProblem


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading timm-1.0.31-py3-none-any.whl (2.8 MB)", "downloading timm-1.0.31 (2.8 MB)"),
        (
            "Downloading https://host/whl/torch-2.13.0%2Bcu126-cp311-cp311-manylinux_2_28_x86_64.whl (858.1 MB)",
            "downloading torch-2.13.0+cu126 (858.1 MB)",
        ),
        ("  Downloading six-1.0-py3-none-any.whl (11 kB)", None),
        ("Collecting torch==2.13.0", None),
        ("Installing collected packages: a, b, c", "installing 3 packages"),
        ("  Building wheel for llm_loop (pyproject.toml): started", "building llm_loop"),
        ("Successfully installed a-1", None),
    ],
)
def test_what_is_shown(line, shown):
    assert condense(line) == shown


def test_a_call_is_shown_and_logged(fake_pip, tmp_path):
    fake_pip.will({"match": "install", "output": "Installing collected packages: a, b\nPrüfung ✓\n"})
    said: list[str] = []
    log = tmp_path / "set_up.log"
    run_pip(fake_pip.argv, ["install", "x y", "ü"], cwd=tmp_path, log=log, say=said.append)
    assert fake_pip.calls() == [["install", "x y", "ü"]]
    assert said == ["    installing 2 packages"]
    assert "Prüfung ✓" in log.read_text(encoding="utf-8")


def test_a_failure_is_one_line_that_names_the_log(fake_pip, tmp_path):
    fake_pip.will({"match": "install", "output": "ERROR: No matching distribution found for xyz==1\n", "exit_code": 1})
    log = tmp_path / "set_up.log"
    with pytest.raises(SetupProblem, match="xyz==1 cannot be had") as caught:
        run_pip(fake_pip.argv, ["install"], cwd=tmp_path, log=log, say=print)
    assert str(log) in str(caught.value)


def test_past_the_deadline_the_whole_tree_ends(fake_pip, tmp_path):
    trace = tmp_path / "the child lived on"
    fake_pip.will({"match": "install", "hang_s": 60, "child_file": str(trace)})
    began = time.monotonic()
    with pytest.raises(SetupProblem, match="not done after"):
        run_pip(fake_pip.argv, ["install"], cwd=tmp_path, log=tmp_path / "log", say=print, deadline_s=0.5)
    assert time.monotonic() - began < 20
    time.sleep(1.2)  # the child would write after 1 s
    assert not trace.exists()


def test_settings_that_lead_elsewhere_do_not_count(fake_pip, tmp_path, monkeypatch):
    from environments import pip_run

    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    environs = []
    start = pip_run.subprocess.Popen

    def spy(argv, **options):
        environs.append(options["env"])
        return start(argv, **options)

    monkeypatch.setattr(pip_run.subprocess, "Popen", spy)
    run_pip(fake_pip.argv, ["install"], cwd=tmp_path, log=tmp_path / "log", say=print)
    assert "PIP_TARGET" not in environs[0]
    assert environs[0]["PIP_USER"] == "0"
