"""The front door: its arguments, its wall, its hand-over, as a person meets them."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap
from environments.checkout import Checkout, loop_steps
from environments.checks import path_warning
from environments.stamps import Stamps
from environments.virtualenv import interpreter

ROOT = Path(__file__).resolve().parents[2]
STUB = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "path": sys.path, "utf8": sys.flags.utf8_mode}))
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("given", "index", "before", "verb", "after"),
    [
        (["start", "--cycles", "3"], None, [], "start", ["--cycles", "3"]),
        (["--torch-index", "cpu", "start"], "cpu", [], "start", []),
        (["start", "--torch-index=cu126", "--detach"], "cu126", [], "start", ["--detach"]),
        (["--workspace", "a b", "status", "--json"], None, ["--workspace", "a b"], "status", ["--json"]),
        (["--workspace", "test", "test", "-x"], None, ["--workspace", "test"], "test", ["-x"]),
        (["--workspace=x", "stop"], None, ["--workspace=x"], "stop", []),
        (["start", "--until=val_log_loss<=0.09"], None, [], "start", ["--until=val_log_loss<=0.09"]),
        (["test", "-k", "gate or ü"], None, [], "test", ["-k", "gate or ü"]),
    ],
)
def test_arguments(given, index, before, verb, after):
    assert bootstrap.split_arguments(given) == (index, before, verb, after)


@pytest.mark.parametrize("given", [["--torch-index"], ["start", "--torch-index", "--detach"], ["--workspace", "x"]])
def test_missing_values_are_wrong_usage(given, capsys):
    assert bootstrap.main(given) == 2
    assert capsys.readouterr().err.startswith("bootstrap: ")


def test_help_and_no_verb(capsys):
    assert bootstrap.main(["--help"]) == 0
    assert "--torch-index" in capsys.readouterr().out
    assert bootstrap.main([]) == 2


def test_old_pythons_can_read_the_file_and_are_told(monkeypatch, capsys):
    text = (ROOT / "scripts" / "bootstrap.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 10, 4, "final", 0))
    assert bootstrap.main(["start"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "python.org" in lines[0]


def test_only_the_standard_library_is_imported():
    for file in [ROOT / "scripts" / "bootstrap.py", *(ROOT / "scripts" / "environments").glob("*.py")]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"environments"}
        assert not foreign, f"{file.name}: {foreign}"


def test_ctrl_c_and_file_errors_end_in_one_line(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    def full(*arguments):
        raise OSError(28, "No space left on device", "/x/.venv")

    monkeypatch.setattr(bootstrap, "_run", interrupted)
    assert bootstrap.main(["start"]) == 130
    monkeypatch.setattr(bootstrap, "_run", full)
    assert bootstrap.main(["start"]) == 1
    assert "disk is full (/x/.venv)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loop", "trainer", "code"),
    [(0, 0, 0), (1, 0, 1), (0, 2, 2), (5, 0, 0), (0, 5, 0), (5, 1, 1), (5, 5, 5), (1, 2, 1)],
)
def test_the_tests_pass_when_both_suites_do(monkeypatch, tmp_path, loop, trainer, code):
    ran = []
    codes = iter((loop, trainer))

    def wait_for(argv, folder):
        ran.append((argv, folder))
        return next(codes)

    monkeypatch.setattr(bootstrap, "_wait_for", wait_for)
    monkeypatch.setattr(bootstrap, "side_by_side", lambda flags: ["-n", str(len(flags))])
    assert bootstrap.run_tests(tmp_path / "a", tmp_path / "b", ["-k", "x"]) == code
    assert [argv[1:] for argv, _ in ran] == [
        ["-X", "utf8", "-m", "pytest", "--ignore=tests/trainer", "-n", "2", "-k", "x"],
        ["-X", "utf8", "-m", "pytest", "tests/trainer", "-k", "x"],
    ]
    assert [folder for _, folder in ran] == [ROOT, ROOT]


@pytest.mark.parametrize(
    ("verb", "after", "wanted"),
    [
        ("start", [], True),
        ("start", ["--help"], False),
        ("install", [], True),
        ("test", ["-h"], True),
        ("data", ["check", "x"], True),
        ("data", ["link"], False),
        ("data", ["openings", "--json"], False),
        ("clean", [], False),
        ("finishup", [], False),
    ],
)
def test_the_training_environment_is_made_where_it_is_needed(verb, after, wanted):
    assert bootstrap.trains(verb, after) is wanted


def test_install_takes_one_flag_alone(capsys):
    assert bootstrap.main(["install", "--repair-extra"]) == 2
    assert "--repair-extras" in capsys.readouterr().err


def test_every_verb_of_the_loop_is_named():
    from llm_loop.cli import build_parser

    verbs = next(action.choices for action in build_parser()._actions if action.dest == "verb")
    assert {"clean", "finishup"} <= set(bootstrap._LOOP_VERBS) <= set(verbs)


@pytest.mark.skipif(sys.platform == "win32", reason="one test after another there")
@pytest.mark.parametrize(
    ("flags", "parallel"),
    [
        ([], True),
        (["-x", "-k", "no"], True),
        (["-m", "slow", "-rs"], False),
        (["-m", "chaos"], False),
        (["-mcodex"], False),
        (["-n", "0"], False),
        (["-n2"], False),
        (["--pdb"], False),
    ],
)
@pytest.mark.parametrize(("cores", "processes"), [(None, "2"), (2, "3"), (64, "8")])
def test_the_tests_run_side_by_side_where_they_may(monkeypatch, flags, parallel, cores, processes):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    expected = ["-n", processes, "--dist", "worksteal"] if parallel else []
    assert bootstrap.side_by_side(flags) == expected


@pytest.fixture
def installed(hostile_folder: Path) -> Path:
    """A checkout whose `.venv` is finished, with a stub in the place of the loop."""
    root = hostile_folder
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "constraints", root / "constraints")
    shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
    checkout = Checkout(root=root, say=print)
    argv = [sys.executable, "-m", "venv", "--without-pip", str(checkout.loop_folder)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    Stamps(checkout.loop_folder).mark("created", "1")
    for step in loop_steps(checkout):
        Stamps(checkout.loop_folder).mark(step.name, step.mark)
    packages = next(checkout.loop_folder.glob("[Ll]ib/**/site-packages"))
    (packages / "llm_loop").mkdir()
    (packages / "llm_loop" / "__main__.py").write_text(STUB, encoding="utf-8")
    return root


def call(root: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "bootstrap.py"), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_a_finished_set_up_hands_over_at_once_with_every_argument_whole(installed, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the user shadows the library')", encoding="utf-8")
    arguments = ["--workspace", "Jörg's & [1]", "status", "--json", 'a "quoted" %PATH% ü', ""]
    done = call(installed, *arguments, cwd=tmp_path)
    assert done.returncode == 7
    warning = path_warning(installed)  # on Windows, where the folder of a test is deep
    assert done.stderr == (f"bootstrap: {warning}\n" if warning else "")
    answer = json.loads(done.stdout)
    assert answer["argv"] == arguments
    assert Path(answer["cwd"]) == tmp_path
    assert answer["utf8"] == 1


def test_a_broken_set_up_ends_in_one_line(installed, tmp_path):
    loop = installed / ".venv"
    shutil.rmtree(loop)
    loop.write_text("not a folder", encoding="utf-8")
    done = call(installed, "status")
    assert done.returncode == 1
    assert "in the way" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_of_start_needs_no_torch(installed):
    done = call(installed, "start", "--help")
    assert done.returncode == 7
    assert not (installed / ".venv-train").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot become another program")
def test_the_hand_over_keeps_the_process(installed):
    main = interpreter(installed / ".venv").parents[1].glob("[Ll]ib/**/site-packages/llm_loop/__main__.py")
    next(main).write_text("import os; print(os.getpid())", encoding="utf-8")
    argv = [sys.executable, str(installed / "scripts" / "bootstrap.py"), "status"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=60)
    assert int(out) == process.pid


def test_where_it_cannot_it_waits_and_returns_the_exit_code(monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "platform", "win32")
    assert bootstrap.hand_over([sys.executable, "-c", "import sys; sys.exit(9)"]) == 9
