"""Each way out of the checkout, tried through each tool that takes a path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.mcp_tools.calling import call
from llm_loop.mcp_tools.confined import Confined
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources
from llm_loop.system.links import make_folder_link
from tests.mcp_tools.small_workspace import LOGIN, SECRET, SmallWorkspace

CLIMBING = [
    "..",
    "../K0001/a.py",
    "src/../../../codex_home/auth.json",
    "src\\..\\..\\..\\codex_home\\auth.json",
    "./../../../vault/test.csv",
    "/etc/passwd",
    "//host/share",
    "\\\\host\\share\\x",
    "\\\\?\\C:\\x",
    "C:\\Windows\\win.ini",
    "c:/Windows/win.ini",
    "C:win.ini",
    "~/x",
    "~root/.ssh/id_rsa",
    "a.py\0",
    "a\n.py",
    "\ud800",
    "x" * 5_000,
    ".git/config",
    "src/.GIT/config",
    ".git./config",
    ".llm_loop/state.json",
    "codex_home/auth.json",
]


@pytest.mark.parametrize("path", CLIMBING, ids=range(len(CLIMBING)))
def test_no_path_leads_out(small: SmallWorkspace, path: str) -> None:
    small.write("a.py", "x = 1\n")
    for hidden in (".git/config", "src/.GIT/config", ".llm_loop/state.json", "codex_home/auth.json"):
        small.write(hidden, "hidden words")
    for tool, arguments in (("read_file", {}), ("list_files", {}), ("search_text", {"text": "e"})):
        said = small.refusal(tool, path=path, **arguments)
        assert not any(word in said for word in (SECRET, LOGIN, "hidden words"))
    assert "hidden words" not in small.ask("search_text", text="hidden")


def test_links_out_are_neither_read_nor_entered(small: SmallWorkspace) -> None:
    root = small.paths.root
    _folder_link(small.checkout / "rows", root / "vault")
    _folder_link(small.checkout / "home", small.paths.codex_home)
    _folder_link(small.checkout / "up", root)
    paths = ["rows/test.csv", "home/auth.json", "up/vault/test.csv"]
    if os.name != "nt":
        (small.checkout / "row").symlink_to(root / "vault" / "test.csv")
        (small.checkout / "loop").symlink_to("loop")
        paths += ["row", "loop"]
    for path in paths:
        said = small.refusal("read_file", path=path)
        assert SECRET not in said and LOGIN not in said
        small.refusal("search_text", text="e", path=path)
    assert "0 hits" in small.ask("search_text", text="o")
    listed = small.ask("list_files")
    assert "rows (link)" in listed and "test.csv" not in listed


def test_a_link_inside_is_read_by_its_name(small: SmallWorkspace) -> None:
    small.write("src/model.py", "x = 1\n")
    _folder_link(small.checkout / "code", small.checkout / "src")
    assert "x = 1" in small.ask("read_file", path="code/model.py")


def test_sealed_rows_in_the_checkout_stay_sealed(small: SmallWorkspace) -> None:
    """Sealed rows that lie in the repository itself, under any name that the configuration gives them."""
    small.write("data/test/rows.csv", SECRET)
    small.write("data/train/rows.csv", "open rows")
    sealed = str(small.checkout / "data" / "test").replace("\\", "/")
    config = small.paths.root / "config" / "daemon_config.json"
    config.write_text(f'{{"sealed_root": "{sealed}"}}', encoding="utf-8")
    assert "may not be read" in small.refusal("read_file", path="data/test/rows.csv")
    assert "may not be read" in small.refusal("list_files", path="data/test")
    assert "test" not in small.ask("list_files").replace("K0001", "")
    for regex in (False, True):
        found = small.ask("search_text", text="rows", regex=regex)
        assert "open rows" in found and SECRET not in found
    config.write_text("broken", encoding="utf-8")
    sources = Sources.open(small.paths.root, small.checkout, [Path(sealed)])
    assert call(sources, "read_file", {"path": "data/test/rows.csv"})[1]


@pytest.mark.parametrize(
    "place", [".llm_loop", ".llm_loop/codex_home", ".llm_loop/checkouts", "vault", ".llm_loop_sealed"]
)
def test_the_loops_own_folders_are_no_checkout(small: SmallWorkspace, place: str) -> None:
    sources = Sources.open(small.paths.root, small.paths.root / place)
    text, refused = call(sources, "list_files", {})
    assert refused and "No file can be read" in text


def test_the_workspace_as_checkout_shows_nothing_of_the_loop(small: SmallWorkspace) -> None:
    sources = Sources.open(small.paths.root, small.paths.root)
    text, refused = call(sources, "list_files", {"depth": 9})
    assert not refused and "daemon_config.json" in text
    assert ".llm_loop" not in text and "vault" not in text


def test_without_a_checkout_the_other_tools_work(small: SmallWorkspace) -> None:
    sources = Sources.open(small.paths.root, None)
    assert call(sources, "read_file", {"path": "a.py"})[0] == "No file can be read: this call has no checkout."
    assert not call(sources, "query_history", {})[1]


@pytest.mark.skipif(os.name == "nt", reason="no named pipes and devices in a folder there")
def test_pipes_are_refused_and_never_waited_for(small: SmallWorkspace) -> None:
    os.mkfifo(small.checkout / "pipe")
    assert "not a regular file" in small.refusal("read_file", path="pipe")
    assert "0 hits" in small.ask("search_text", text="x")


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="no folder can be held open here")
def test_a_folder_swapped_for_a_link_after_the_look_is_not_followed(small: SmallWorkspace) -> None:
    small.write("data/test.csv", "open rows")
    confined = Confined(small.checkout)
    steps = confined.parts("data/test.csv")
    (small.checkout / "data").rename(small.checkout / "old")
    (small.checkout / "data").symlink_to(small.paths.root / "vault")
    with pytest.raises(Refused):
        confined.open_parts(steps, "data/test.csv")


def _folder_link(link: Path, target: Path) -> None:
    try:
        make_folder_link(link, target)
    except OSError as error:
        pytest.skip(f"no links of folders here: {error}")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_answered(small: SmallWorkspace) -> None:
    """Half a character cannot be sent: the server would never answer."""
    small.write("a.py", "needle\n")
    os.close(os.open(os.fsencode(small.checkout) + b"/\xff.py", os.O_CREAT))
    text = small.ask("list_files")
    assert "a.py" in text and r"\udcff.py" in text
    text.encode("utf-8")


def test_a_second_name_of_a_sealed_row_is_refused(small: SmallWorkspace) -> None:
    os.link(small.paths.root / "vault" / "test.csv", small.checkout / "mine.csv")
    assert "a name elsewhere" in small.refusal("read_file", path="mine.csv")
    assert "0 hits" in small.ask("search_text", text="sealed")
