"""Repository paths in a command: mapped with the quoting left as it is, or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.contract.command_line import split_statements
from llm_loop.versions.mapping import Mapper, spellings
from llm_loop.versions.refusal import CodeRefused

ROOT = "/home/me/my repo"
PLAIN = "/home/me/repo"
TOKEN = "{workspace}/.llm_loop/checkouts/c1"

posix_only = pytest.mark.skipif(os.name == "nt", reason="paths of another system")


def mapper(shell: str = "bash", roots: tuple[str, ...] = (ROOT, PLAIN), workspace: str = "/home/me/ws") -> Mapper:
    variables = {"HOME": "/home/me", "REPO": PLAIN, "OTHER": "/elsewhere"}
    return Mapper(roots=roots, token=TOKEN, workspace=workspace, shell=shell, variables=variables)


@posix_only
@pytest.mark.parametrize(
    ("command", "mapped"),
    [
        ("python train.py --lr 0.1", "python train.py --lr 0.1"),
        (f"python {PLAIN}/train.py", f"python {TOKEN}/train.py"),
        (f'python "{ROOT}/train.py" --x "a b"', f'python "{TOKEN}/train.py" --x "a b"'),
        (f"python '{ROOT}/train.py'", f"python '{TOKEN}/train.py'"),
        ("python /home/me/my\\ repo/train.py", f"python {TOKEN}/train.py"),
        (f"cd {PLAIN} && python train.py --out={PLAIN}/runs/1", f"cd {TOKEN} && python train.py --out={TOKEN}/runs/1"),
        (f"PYTHONPATH={PLAIN}/src:{PLAIN} python -m netlib", f"PYTHONPATH={TOKEN}/src:{TOKEN} python -m netlib"),
        (f"gcc -I{PLAIN}/include x.c", f"gcc -I{TOKEN}/include x.c"),
        (f"cat {PLAIN}/a > {PLAIN}/b 2>&1", f"cat {TOKEN}/a > {TOKEN}/b 2>&1"),
        (f"echo $(cat {PLAIN}/a)", f"echo $(cat {TOKEN}/a)"),
        (f"bash -c 'cd {PLAIN}; python train.py'", f"bash -c 'cd {TOKEN}; python train.py'"),
        (f"python -c \"open('{PLAIN}/x')\"", f"python -c \"open('{TOKEN}/x')\""),
        # what only looks like it
        (f"python {PLAIN}2/train.py", f"python {PLAIN}2/train.py"),
        (f"python {PLAIN}-old/x.py {PLAIN}.bak {PLAIN}_3", f"python {PLAIN}-old/x.py {PLAIN}.bak {PLAIN}_3"),
        (f"python /mnt{PLAIN}/x.py sub{PLAIN}/y", f"python /mnt{PLAIN}/x.py sub{PLAIN}/y"),
        ("python $OTHER/x.py $PWD/y.py", "python $OTHER/x.py $PWD/y.py"),
        ("cd src && python ../train.py", "cd src && python ../train.py"),
        ("cat <<END\nplain text\nEND", "cat <<END\nplain text\nEND"),
    ],
)
def test_bash_commands_are_mapped(command: str, mapped: str) -> None:
    assert mapper().map(command, ".") == mapped


@posix_only
@pytest.mark.parametrize(
    "command",
    [
        "python $REPO/train.py",
        'python "${REPO}/train.py"',
        "python ~/repo/train.py",
        "python --config=~/repo/x.yaml",
        'python /home/me/"my repo"/train.py',
        "python '/home/me'/repo/train.py",
        "python /home/me/re\\po/train.py",
        f"curl file://{PLAIN}/x",
        "python $'/home/me/repo/train.py'x'",
        "python ../train.py",
        "python src/../../x.py",
        "python train.py --data=../data",
        "cd .. && ls",
        "cd src && python ../../train.py",
        'cd "$(git rev-parse --show-toplevel)" && python train.py',
        "python 'open",
    ],
)
def test_what_cannot_be_mapped_is_refused(command: str) -> None:
    with pytest.raises(CodeRefused):
        mapper().map(command, ".")


@posix_only
@pytest.mark.parametrize(
    ("command", "mapped"),
    [
        (f"python {PLAIN}/train.py", f"python {TOKEN}/train.py"),
        (f"python '{ROOT}/train.py'", f"python '{TOKEN}/train.py'"),
        (f'& python "{ROOT}/train.py" -x `"q`"', f'& python "{TOKEN}/train.py" -x `"q`"'),
        ("python /home/me/my` repo/train.py", f"python {TOKEN}/train.py"),
        (f"Set-Location '{ROOT}'; python train.py", f"Set-Location '{TOKEN}'; python train.py"),
        (f'$env:X = "{PLAIN}/x"; python train.py', f'$env:X = "{TOKEN}/x"; python train.py'),
    ],
)
def test_powershell_commands_are_mapped(command: str, mapped: str) -> None:
    assert mapper("pwsh").map(command, ".") == mapped


@posix_only
@pytest.mark.parametrize("command", ["python $env:REPO/train.py", "python '/home/me'/repo/x.py", "python ${env:REPO}"])
def test_powershell_detours_are_refused(command: str) -> None:
    with pytest.raises(CodeRefused):
        mapper("pwsh").map(command, ".")


@posix_only
def test_a_quote_in_the_repository_s_name(tmp_path: Path) -> None:
    root = "/home/me/it's"
    one = mapper(roots=(root,))
    assert one.map("python '/home/me/it'\\''s/train.py'", ".") == f"python '{TOKEN}/train.py'"
    assert one.map('python "/home/me/it\'s/train.py"', ".") == f'python "{TOKEN}/train.py"'
    assert mapper("pwsh", (root,)).map("python '/home/me/it''s/x.py'", ".") == f"python '{TOKEN}/x.py'"


@posix_only
def test_a_neighbour_with_a_longer_name_is_not_the_repository(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo old").mkdir()
    one = mapper(roots=(str(tmp_path / "repo"),))
    command = f'python "{tmp_path}/repo old/train.py"'
    assert one.map(command, ".") == command
    assert one.map(f'python "{tmp_path}/repo" old', ".") == f'python "{TOKEN}" old'


@posix_only
def test_a_nested_text_needs_a_plain_workspace() -> None:
    with pytest.raises(CodeRefused, match="nested"):
        mapper(workspace="/home/me/it's mine").map(f"bash -c 'cd {PLAIN}; ls'", ".")
    assert mapper(workspace="/home/me/it's mine").map(f"ls '{PLAIN}'", ".") == f"ls '{TOKEN}'"


@posix_only
def test_the_rest_of_the_words_is_the_same() -> None:
    command = f"""for s in 1 2; do python '{ROOT}/a b.py' --x="$s" 'it'\\''s' "q\\"q" # {PLAIN}\ndone"""
    mapped = mapper().map(command, ".")
    texts = [word.text for one in split_statements(command, "bash") for word in one.words]
    assert [word.text for one in split_statements(mapped, "bash") for word in one.words] == [
        text.replace(ROOT, TOKEN) for text in texts
    ]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_every_spelling_of_the_repository_counts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    found = spellings(tmp_path / "alias", tmp_path / "ws")
    assert set(found) == {str(tmp_path / "real"), str(tmp_path / "alias")}
    assert "{workspace}/alias" in spellings(tmp_path / "alias", tmp_path)
    assert "{workspace}" in spellings(tmp_path / "real", tmp_path / "real")


@posix_only
def test_the_loop_s_own_files_stay_where_they_are() -> None:
    one = mapper(roots=(PLAIN, "{workspace}"))
    kept = f"python train.py --init {PLAIN}/.llm_loop/runs/R1/best.pt --also {{workspace}}/.llm_loop/x"
    assert one.map(kept, ".") == kept
    assert one.map("python {workspace}/train.py {workspace}", ".") == f"python {TOKEN}/train.py {TOKEN}"
    with pytest.raises(CodeRefused, match="absolute path"):
        one.map("python train.py --init .llm_loop/runs/R1/best.pt", ".")


@pytest.mark.skipif(os.name != "nt", reason="paths of Windows")
@pytest.mark.parametrize(
    ("command", "mapped"),
    [
        ("python C:\\me\\repo\\train.py", f"python {TOKEN}\\train.py"),
        ("python c:/ME/Repo/train.py", f"python {TOKEN}/train.py"),
        ('python "C:\\me\\my repo\\train.py" --x=C:\\me\\repo', f'python "{TOKEN}\\train.py" --x={TOKEN}'),
        ("& python 'C:\\me\\my repo/train.py'", f"& python '{TOKEN}/train.py'"),
        ("python C:\\me\\repo2\\train.py D:\\C:\\x", "python C:\\me\\repo2\\train.py D:\\C:\\x"),
    ],
)
def test_windows_paths_are_mapped(command: str, mapped: str) -> None:
    assert mapper("pwsh", ("C:\\me\\repo", "C:\\me\\my repo")).map(command, ".") == mapped


@pytest.mark.skipif(os.name != "nt", reason="paths of Windows")
@pytest.mark.parametrize("command", ["python ..\\x.py", "python 'C:\\me'\\repo\\x.py", "curl file:///C:/me/repo/x"])
def test_windows_detours_are_refused(command: str) -> None:
    with pytest.raises(CodeRefused):
        mapper("pwsh", ("C:\\me\\repo", "C:\\me\\my repo")).map(command, ".")
