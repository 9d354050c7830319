"""``llm-loop login``: device login, an API key by standard input, the status, and the offer to install the client."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.codex_client import NO_CLIENT, codex_binary
from tests.conftest import eventually

KEY = "sk-test-1234567890-not-a-real-one"
# The stand-in is a native program, as it must be to be found: a shell, which runs the file that its first word names.
POSIX = pytest.mark.skipif(os.name == "nt", reason="the stand-in for the client is a POSIX shell")
RECORDS = '{ echo "$@"; env; } >>"$RECORD"\n'
KEEPS_A_LOGIN = 'echo "{}" >"$CODEX_HOME/auth.json"\n'
TAKES_A_KEY = 'read -r key\nprintf "%s" "$key" >"$CODEX_HOME/auth.json"\n'


def login(folder: Path, environ: dict[str, str], *flags: str, **more: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(folder), "login", *flags]
    settings = {"input": ""} | more
    return subprocess.run(
        argv, env=environ, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120, **settings
    )


def with_program(environ: dict[str, str], binary: Path, folder: Path) -> dict[str, str]:
    """Return an environment in whose PATH the program is the client, alone."""
    programs = folder / "programs"
    programs.mkdir()
    shutil.copy2(binary, programs / ("codex.exe" if os.name == "nt" else "codex"))
    return environ | {"PATH": str(programs)}


def with_stand_in(environ: dict[str, str], folder: Path, script: str) -> dict[str, str]:
    """Return an environment whose client is a shell that runs ``folder``/login."""
    (folder / "login").write_text(RECORDS + script, encoding="utf-8")
    found = with_program(environ, Path("/bin/sh").resolve(), folder)
    (folder / "programs" / "env").symlink_to("/usr/bin/env")
    return found | {"RECORD": str(folder / "record.txt")}


def read_all(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("codex", "auth.json")]
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def with_real(environ: dict[str, str], home: Path) -> dict[str, str]:
    """Return an environment with the real client, in place: it wants what lies beside it."""
    return environ | {"PATH": str(codex_binary().parent), "HOME": str(home)}


# ---------------------------------------------------------------- the real client


@pytest.mark.codex
def test_an_api_key_is_kept_by_the_real_client_and_nowhere_else(
    weird_path: Path, clean_environ: dict[str, str]
) -> None:
    environ = with_real(clean_environ, weird_path)
    home = weird_path / ".llm_loop" / "codex_home"
    before = login(weird_path, environ, "--status", "--json")
    assert before.returncode == 1 and json.loads(before.stdout)["logged_in"] is False
    done = login(weird_path, environ, "--api-key-stdin", input=f"\ufeff{KEY}\r\n")
    assert (done.returncode, done.stdout) == (0, "Logged in.\n"), done.stderr
    assert KEY in (home / "auth.json").read_text(encoding="utf-8")
    assert KEY not in read_all(weird_path) + done.stderr
    if os.name != "nt":
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    said = login(weird_path, environ, "--status", "--json")
    value = json.loads(said.stdout)
    assert (said.returncode, value["logged_in"], value["how"]) == (0, True, "api_key")
    assert (value["schema_version"], value["codex_home"]) == (1, str(home))
    assert value["codex"]["path"] == str(codex_binary().resolve())
    assert "with an API key" in login(weird_path, environ, "--status").stdout


@pytest.mark.codex
def test_a_device_login_without_a_network_fails_in_one_line(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = with_real(clean_environ, tmp_path) | {"HTTPS_PROXY": "http://127.0.0.1:9"}
    done = login(tmp_path, environ)
    assert done.returncode == 1
    assert "llm-loop: the login was not finished" in done.stderr.splitlines()[-1]


# ---------------------------------------------------------------- a stand-in


@POSIX
def test_a_device_login_gets_the_loops_home_and_no_secret(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = with_stand_in(clean_environ, tmp_path, KEEPS_A_LOGIN)
    done = login(tmp_path, environ | {"OPENAI_API_KEY": KEY, "CODEX_HOME": "/nowhere"})
    assert (done.returncode, done.stdout) == (0, "Logged in.\n"), done.stderr
    record = (tmp_path / "record.txt").read_text(encoding="utf-8")
    assert record.startswith("--device-auth\n")
    assert f"CODEX_HOME={tmp_path / '.llm_loop' / 'codex_home'}\n" in record
    assert KEY not in record


@POSIX
def test_a_key_goes_through_standard_input_alone(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = with_stand_in(clean_environ, tmp_path, TAKES_A_KEY)
    done = login(tmp_path, environ, "--api-key-stdin", input=f"{KEY}\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".llm_loop" / "codex_home" / "auth.json").read_text(encoding="utf-8") == KEY
    assert (tmp_path / "record.txt").read_text(encoding="utf-8").startswith("--with-api-key\n")
    assert KEY not in read_all(tmp_path) + done.stdout + done.stderr


@POSIX
@pytest.mark.parametrize("said", ["", "   \n", "two words\n", "a\nb\n", "x" * 10_001])
def test_what_is_no_key_is_refused_before_anything_starts(
    said: str, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    environ = with_stand_in(clean_environ, tmp_path, TAKES_A_KEY)
    done = login(tmp_path, environ, "--api-key-stdin", input=said)
    assert done.returncode == 1 and "no API key" in done.stderr
    assert not (tmp_path / "record.txt").exists()


@POSIX
def test_a_refused_key_is_not_repeated(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = with_stand_in(clean_environ, tmp_path, 'read -r key\necho "bad key: $key" >&2\nexit 1\n')
    done = login(tmp_path, environ, "--api-key-stdin", input=KEY)
    assert done.returncode == 1 and "bad key: ***" in done.stderr and KEY not in done.stderr


@POSIX
def test_a_login_that_keeps_nothing_is_a_failure(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = login(tmp_path, with_stand_in(clean_environ, tmp_path, "exit 0\n"))
    assert done.returncode == 1 and "nothing was kept" in done.stderr


def test_json_goes_with_status_alone(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = login(tmp_path, clean_environ, "--json")
    assert done.returncode == 1 and "--json goes with --status" in done.stderr


# ---------------------------------------------------------------- no client


def with_pip(environ: dict[str, str], folder: Path, *, works: bool = True) -> dict[str, str]:
    """Return an environment without a client whose pip installs the stand-in, or fails."""
    packages = folder / "packages"
    (packages / "pip").mkdir(parents=True)
    carried = packages / "codex_cli_bin"
    install = (
        f"import pathlib, shutil, sys; carried = pathlib.Path({str(carried)!r})\n"
        "(carried / 'bin').mkdir(parents=True)\n"
        "(carried / '__init__.py').touch(); shutil.copy2('/bin/sh', carried / 'bin' / 'codex')\n"
        f"pathlib.Path({str(folder / 'pip.txt')!r}).write_text(' '.join(sys.argv[1:])); print('from pip')\n"
    )
    (packages / "pip" / "__init__.py").touch()
    (packages / "pip" / "__main__.py").write_text(install if works else "raise SystemExit('no such package')\n")
    (folder / "login").write_text('echo "{}" >"$CODEX_HOME/auth.json"\n', encoding="utf-8")
    search = os.pathsep.join([str(packages), environ["PYTHONPATH"]])
    return environ | {"PATH": str(folder / "empty"), "PYTHONPATH": search}


@NO_CLIENT
def test_without_a_client_and_a_terminal_it_says_what_to_do(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = clean_environ | {"PATH": str(tmp_path)}
    for flags in ((), ("--api-key-stdin",)):
        done = login(tmp_path, environ, *flags, input=KEY)
        assert done.returncode == 1 and "--install-cli" in done.stderr and "npm install" in done.stderr
        assert KEY not in done.stderr
    said = json.loads(login(tmp_path, environ, "--status", "--json").stdout)
    assert (said["logged_in"], said["codex"]) == (False, None)


@POSIX
@NO_CLIENT
def test_the_client_is_installed_without_asking_when_told_to(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    environ = with_pip(clean_environ, tmp_path)
    done = login(tmp_path, environ, "--install-cli")
    assert (done.returncode, done.stdout) == (0, "Logged in.\n"), done.stderr
    assert "from pip" in done.stderr
    words = (tmp_path / "pip.txt").read_text(encoding="utf-8").split()
    assert words[0] == "install" and words[-1].startswith("openai-codex-cli-bin>=0.")
    shutil.rmtree(tmp_path / "packages" / "codex_cli_bin")
    again = login(tmp_path, environ, "--install-cli")
    assert again.returncode == 0 and "There is a login already" in again.stdout


@POSIX
@NO_CLIENT
def test_a_failed_installation_is_one_line(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = login(tmp_path, with_pip(clean_environ, tmp_path, works=False), "--install-cli")
    assert done.returncode == 1 and "pip could not install" in done.stderr.splitlines()[-1]


@POSIX
@NO_CLIENT
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 0), ("n", 1)])
def test_on_a_terminal_it_asks(answer: str, code: int, tmp_path: Path, clean_environ: dict[str, str]) -> None:
    import pty

    ours, theirs = pty.openpty()
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(tmp_path), "login"]
    environ = with_pip(clean_environ, tmp_path)
    with subprocess.Popen(
        argv, env=environ, cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, err = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code, err
    assert "Install the PyPI package" in out
    assert ("Logged in." in out) == (code == 0) == (tmp_path / "pip.txt").exists()


@POSIX
def test_a_key_typed_on_a_terminal_is_not_shown(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    import pty
    import termios

    environ = with_stand_in(clean_environ, tmp_path, TAKES_A_KEY)
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(tmp_path), "login", "--api-key-stdin"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, argv, environ)
    shown = b""
    while b"not shown" not in shown:
        shown += os.read(terminal, 1000)
    eventually(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO)  # turned off just after the question
    os.write(terminal, f"{KEY}\n".encode())
    while True:
        try:
            shown += os.read(terminal, 1000)
        except OSError:  # the terminal is gone with its last process
            break
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert KEY.encode() not in shown
