"""A short command: its words, its deadline, and nothing of it left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from llm_loop.errors import CommandError
from llm_loop.system.short_run import run_short


def test_words_go_in_and_come_out() -> None:
    code = "import sys; text = sys.stdin.read(); print(text.upper()); sys.stderr.write('ü'); sys.exit(3)"
    ended = run_short([sys.executable, "-X", "utf8", "-c", code], stdin="größe", deadline_s=30)
    assert (ended.exit_code, ended.stdout.strip(), ended.stderr) == (3, "GRÖSSE", "ü")


def test_what_is_no_text_is_kept_readable() -> None:
    code = r"import sys; sys.stdout.buffer.write(b'a\xffb')"
    assert run_short([sys.executable, "-c", code], deadline_s=30).stdout == "a\ufffdb"


def test_the_deadline_ends_it_and_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time\nwhile True:\n    open({str(alive)!r}, 'w').close()\n    time.sleep(0.05)"
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); print('on', flush=True); "
    )
    began = time.monotonic()
    ended = run_short([sys.executable, "-u", "-c", code + "time.sleep(60)"], deadline_s=3)
    assert ended.exit_code is None
    assert time.monotonic() - began < 20
    alive.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not alive.exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot start .*nothing"):
        run_short([str(tmp_path / "nothing")], deadline_s=5)


def test_the_environment_is_the_one_given() -> None:
    code = "import os; print(os.environ.get('ONLY_HERE'), os.environ.get('NOT_HERE'))"
    base = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    ended = run_short([sys.executable, "-c", code], env=base | {"ONLY_HERE": "yes"}, deadline_s=30)
    assert ended.stdout.split() == ["yes", "None"]
