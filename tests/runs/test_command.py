"""From a decision's command to what is started: nothing is lost, nothing failed looks like success."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.errors import CommandError
from llm_loop.runs import command as commands
from llm_loop.runs import quoting
from llm_loop.runs.command import StartForm, choose_shell, direct_words, start_form

needs_bash = pytest.mark.skipif(os.name == "nt" or shutil.which("bash") is None, reason="needs bash")

SHOW = "import json, os, sys; print(json.dumps([*sys.argv[1:], os.getcwd()]))"


# ---------------------------------------------------------------- direct or through the shell


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py --lr 0.1", ["python", "train.py", "--lr", "0.1"]),
        ("  python\ttrain.py  ", ["python", "train.py"]),
        ("python train.py --lr=0.1 model.depth=3", ["python", "train.py", "--lr=0.1", "model.depth=3"]),
        ("python 'a b.py' \"c d\" e'f 'g", ["python", "a b.py", "c d", "ef g"]),
        ("python -c 'print(1); x = \"$HOME\"'", ["python", "-c", 'print(1); x = "$HOME"']),
        ("python '' \"\"", ["python", "", ""]),
        (
            "python t.py --out {run_dir}/x --in '{workspace}'",
            ["python", "t.py", "--out", "{run_dir}/x", "--in", "{workspace}"],
        ),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "sh", "pwsh", "powershell"])
def test_one_program_with_plain_arguments_is_direct(command: str, words: list[str], shell: str) -> None:
    assert direct_words(command, shell) == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"python C:\data\train.py", ["python", r"C:\data\train.py"]),
        ('python \'it\'\'s\' "a ""b"""', ["python", "it's", 'a "b"']),
    ],
)
def test_powershell_words(command: str, words: list[str]) -> None:
    assert direct_words(command, "pwsh") == words


@pytest.mark.parametrize(
    "command",
    [
        "cd repo && python train.py",
        "python a.py; python b.py",
        "python a.py | tee log",
        "python a.py > log",
        "python a.py &",
        "python *.py",
        "LR=1 python a.py",
        "python $SCRIPT",
        'python "$SCRIPT"',
        "python `which x`",
        "python ~/a.py",
        r"python a\ b.py",
        "python a.py # note",
        "python a.py {a,b}",
        "(python a.py)",
        "python a.py\npython b.py",
        "python - <<'EOF'\nprint(\"it's\")\nEOF",
        "cd repo",
        "export A=1",
        "source env.sh",
        "exec python a.py",
        "time python a.py",
        "",
        "   ",
        "# it's only a comment",
    ],
)
def test_what_only_bash_understands_goes_to_bash(command: str) -> None:
    assert direct_words(command, "bash") is None


@pytest.mark.parametrize(
    "command",
    [
        "Set-Location repo; python a.py",
        "python a.py | Tee-Object log",
        "python $env:X",
        'python "$x"',
        "& python a.py",
        "python (Get-Item x)",
        "python a,b",
        "python @args",
        "python a`tb",
        "Get-ChildItem x",
        "Write-Output done",
        "cd x",
    ],
)
def test_what_only_powershell_understands_goes_to_powershell(command: str) -> None:
    assert direct_words(command, "pwsh") is None


@pytest.mark.parametrize("command", ["python 'a", 'python "a', "cd x; echo \"it's"])
@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_an_open_quote_is_refused(command: str, shell: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"open . quote"):
        start_form(command, shell, tmp_path, {})


def test_a_direct_form_has_paths_as_they_are(weird_path: Path) -> None:
    form = start_form("python t.py --out={run_dir}/x '{workspace}'", "bash", weird_path, tokens(weird_path))
    assert form == StartForm(argv=("python", "t.py", f"--out={weird_path}/run/x", f"{weird_path}/ws"), files={})


# ---------------------------------------------------------------- bash, for real


def tokens(folder: Path) -> dict[str, str]:
    return {"run_dir": f"{folder}/run", "workspace": f"{folder}/ws"}


def bash(command: str, folder: Path, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """Run a command as the loop would, in ``folder``."""
    form = start_form(command, shell, folder, tokens(folder))
    assert form.argv == (shell, str(folder / "command.sh"))
    for name, text in form.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        form.argv, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=20, check=False
    )


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """Everything that a shell might read in a path."""
    folder = tmp_path / 'it\'s "a" [weird] $HOME `id` & tä\\st; #1 (x) *{a,b}! ~'
    folder.mkdir()
    (folder / "show.py").write_text(SHOW, encoding="utf-8")
    (folder / "run").mkdir()
    for name in ("a.json", "b.json"):
        (folder / "run" / name).write_text(name, encoding="utf-8")
    return folder


RUN, WS = "<run>", "<ws>"
PLACES = {
    "bare": ("show {run_dir}", [RUN]),
    "bare with a tail": ("show {run_dir}/x.yaml --ws={workspace}/y", [RUN + "/x.yaml", "--ws=" + WS + "/y"]),
    "bare with a glob": ("show {run_dir}/*.json", [RUN + "/a.json", RUN + "/b.json"]),
    "bare with a variable": ("N=7; show {run_dir}/$N", [RUN + "/7"]),
    "single": ("show '{run_dir}' 'out={run_dir}/x y'", [RUN, "out=" + RUN + "/x y"]),
    "double": ('show "{run_dir}" "out={run_dir}/x y"', [RUN, "out=" + RUN + "/x y"]),
    "glued quotes": ("show 'a'{run_dir}\"b\"", ["a" + RUN + "b"]),
    "assignment": ('OUT={run_dir}/x; show "$OUT"', [RUN + "/x"]),
    "exported": ('export OUT={run_dir}; show "$OUT"', [RUN]),
    "substitution": ("show $(cat {run_dir}/a.json)", ["a.json"]),
    "substitution in double quotes": ('show "$(cat "{run_dir}/a.json")" "{run_dir}"', ["a.json", RUN]),
    "substitution, bare inside double quotes": ('show "<$(cat {run_dir}/a.json)>"', ["<a.json>"]),
    "substitution, single inside double quotes": ("show \"$(cat '{run_dir}/a.json')\"", ["a.json"]),
    "redirection": ("echo hi > {run_dir}/hi.txt; show $(cat < {run_dir}/hi.txt)", ["hi"]),
    "list of two": ("show {run_dir};show {workspace}", [WS]),
    "behind a comment with a quote": ("# don't worry\nshow {run_dir}", [RUN]),
    "an open here-document": ('X=$(cat <<END\nit\'s {run_dir}\nEND\n); show "$X" {run_dir}', ["it's " + RUN, RUN]),
    "a closed here-document": ("X=$(cat <<'END'\nit's {run_dir} $X\nEND\n); show \"$X\"", ["it's " + RUN + " $X"]),
    "behind a here-document with tabs": ('cat > n.txt <<-"END"\nit\'s\n\tEND\nshow {run_dir}', [RUN]),
    "parentheses": ("(show {run_dir})", [RUN]),
    "escaped quote": (r"""show "a\"{run_dir}\"b" \'{run_dir}""", ['a"' + RUN + '"b', "'" + RUN]),
    "loop": ('for f in {run_dir}/*.json; do show "$f"; done', [RUN + "/b.json"]),
}


@needs_bash
@pytest.mark.parametrize(("command", "wanted"), PLACES.values(), ids=PLACES)
def test_a_path_arrives_whole_wherever_it_stands(nasty: Path, command: str, wanted: list[str]) -> None:
    show = f'show() {{ {shlex.quote(sys.executable)} -I -S "$PWD/show.py" "$@"; }}\n'
    done = bash(show + command, nasty)
    assert done.returncode == 0, done.stderr
    filled = [word.replace(RUN, f"{nasty}/run").replace(WS, f"{nasty}/ws") for word in wanted]
    assert json.loads(done.stdout.splitlines()[-1]) == [*filled, str(nasty)]


@needs_bash
def test_backquotes_in_double_quotes(weird_path: Path) -> None:
    (weird_path / "run").mkdir()
    (weird_path / "run" / "a.json").write_text("found", encoding="utf-8")
    assert bash('echo "<`cat {run_dir}/a.json`>"', weird_path).stdout == "<found>\n"


@pytest.mark.parametrize(
    "command", ["python - <<'E F'\nprint(\"it's {x}\")\nE F\n", "a; echo \"{ws}\" '{run}' # don't"]
)
def test_text_without_tokens_is_not_touched(command: str) -> None:
    assert quoting.fill_quoted(command, "posix", {"run_dir": "/r"}) == command


@needs_bash
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("false | cat", 1),
        ("cat /none | cat; echo on", 1),
        ("false; true", 1),
        ("true && exit 5", 5),
        ("no-such-program-x; true", 127),
        ("cd /none; true", 1),
        ("false || true", 0),
        ("if false; then true; fi", 0),
        ("bash -c 'kill -9 $$'; true", 137),
        ("(exit 3); true", 3),
    ],
)
def test_a_failed_program_fails_the_command(tmp_path: Path, command: str, code: int) -> None:
    assert bash(command, tmp_path).returncode == code


@pytest.mark.skipif(os.name == "nt", reason="needs sh")
def test_sh_stops_at_a_failure_too(tmp_path: Path) -> None:
    assert bash("false; true", tmp_path, "sh").returncode == 1


# ---------------------------------------------------------------- PowerShell, by its text


def powershell(command: str, path: str) -> str:
    form = start_form(command, "pwsh", Path("/f"), {"run_dir": path, "workspace": "/w"})
    return form.files["command.ps1"].removeprefix("\ufeff").rstrip("\n")


def test_the_powershell_form(tmp_path: Path) -> None:
    form = start_form("Set-Location 'x'; python a.py", "powershell", tmp_path, {})
    assert form.argv[0] == "powershell" and form.argv[-3:] == (
        "-File",
        str(tmp_path / "wrapper.ps1"),
        str(tmp_path / "command.ps1"),
    )
    assert {"-NoProfile", "-NonInteractive", "Bypass"} < set(form.argv)
    assert form.files["command.ps1"] == "\ufeffSet-Location 'x'; python a.py\n", "5.1 needs the mark"
    assert form.files["wrapper.ps1"] == commands.POWERSHELL_WRAPPER and commands.POWERSHELL_WRAPPER.isascii()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("cd x; python {run_dir}/a.py", "cd x; python 'P''s $v `/a.py'"),
        ("cd x; python --out={run_dir}", "cd x; python '--out=P''s $v `'"),
        ("cd x; python '{run_dir}' 'a''b'", "cd x; python 'P''s $v `' 'a''b'"),
        ('cd x; python "{run_dir}"', 'cd x; python "P\'s `$v ``"'),
        ("cd x; python {run_dir}/$env:N", 'cd x; python "P\'s `$v ``/$env:N"'),
        ("$o={run_dir}/x; python $o", "$o='P''s $v `/x'; python $o"),
        ("$env:O = {run_dir}; python a.py", "$env:O = 'P''s $v `'; python a.py"),
        ("f @({run_dir}, {workspace})", "f @('P''s $v `', '/w')"),
        ('cd x; f "$(g "{run_dir}") $(g {run_dir})"', "cd x; f \"$(g \"P's `$v ``\") $(g 'P''s $v `')\""),
        ("# it's here\nf {run_dir}", "# it's here\nf 'P''s $v `'"),
        ("<# it's\n {run_dir} #> f {run_dir}", "<# it's\n P's $v ` #> f 'P''s $v `'"),
    ],
)
def test_powershell_quotes_a_path_for_its_place(command: str, wanted: str) -> None:
    assert powershell(command, "P's $v `") == wanted


def test_powershell_takes_typographic_quotes_for_quotes() -> None:
    assert powershell("cd x; f {run_dir}", "Ann\u2019s") == "cd x; f 'Ann\u2019\u2019s'"
    assert powershell('cd x; f "{run_dir}"', "a \u201eb\u201c") == 'cd x; f "a `\u201eb`\u201c"'


# ---------------------------------------------------------------- which shell


@pytest.mark.parametrize(
    ("asked", "there", "platform", "chosen"),
    [
        ("auto", {"bash", "sh"}, "linux", "bash"),
        ("auto", {"sh"}, "linux", "sh"),
        ("auto", {"powershell"}, "win32", "powershell"),
        ("auto", {"pwsh", "powershell"}, "win32", "pwsh"),
        ("powershell", {"pwsh"}, "linux", "pwsh"),
        ("pwsh", set(), "linux", "pwsh"),
        ("bash", {"bash"}, "win32", "bash"),
    ],
)
def test_the_shell_is_the_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch, asked: str, there: set[str], platform: str, chosen: str
) -> None:
    monkeypatch.setattr(commands.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(commands.sys, "platform", platform)
    choose_shell.cache_clear()
    assert choose_shell(asked) == chosen
    choose_shell.cache_clear()
