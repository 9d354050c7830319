"""The README and the pages under docs/: links, blocks, length, examples; each path of the loop; each quoted message."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest
import yaml

from llm_loop.agents.search_space import parse_search_space
from llm_loop.cli import main
from llm_loop.config import load_config
from llm_loop.contract import schemas
from llm_loop.contract.decision import Decision
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Result
from llm_loop.report.places import Places, standard_places
from tests.conftest import REPOSITORY
from tests.docs.pages import PAGES, all_blocks, anchors, blocks, links, prose, read, table_rows

DOCS = REPOSITORY / "docs"
LANGUAGES = {"sh", "powershell", "json", "yaml", "python", "text"}
EXPECTED = {"operate", "own_data", "own_repository", "windows", "artifacts", "troubleshooting", "trainer", "codex"}
COLUMNS = ["path", "what it holds", "schema", "written by", "edit"]


def ids(page: Path) -> str:
    return page.stem


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(place), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_blocks_are_fenced_and_say_what_they_are(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= LANGUAGES
    loose = [line for line in prose(page).splitlines() if re.match(r" {4,}(?![-*\d])\S", line)]
    assert not loose, "an indented block hides from the test of commands"
    for block in blocks(page):
        if block.language == "text":
            assert not re.search(r"(?m)^(llm-loop|python3? |\.\\scripts)", block.text), block.place


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_lines_are_short(page: Path) -> None:
    long = [line for line in read(page).splitlines() if len(line) > 120 and not line.startswith("|")]
    assert not long


def test_the_readme_is_two_screens_and_leads_to_every_page() -> None:
    readme = REPOSITORY / "README.md"
    assert len(read(readme).splitlines()) <= 130
    assert {page.stem for page in DOCS.glob("*.md")} == EXPECTED
    assert {f"docs/{name}.md" for name in EXPECTED} <= {target.partition("#")[0] for target in links(readme)}


def test_the_readme_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    verbs = set(re.findall(r"(?m)^    ([a-z]+) ", capsys.readouterr().out))
    shown = {verb for row in table_rows(REPOSITORY / "README.md") for verb in re.findall(r"`([a-z]+)`", row[0])}
    assert len(verbs) > 20 and shown == verbs


# the examples


def test_json_and_python_and_yaml_are_such() -> None:
    for block in all_blocks("json"):
        json.loads(block.text)
    for block in all_blocks("python"):
        ast.parse(block.text)
    for block in all_blocks("yaml"):
        yaml.safe_load(block.text)


def test_settings_of_the_examples_are_known_keys(tmp_path: Path) -> None:
    values = [json.loads(block.text) for block in all_blocks("json")]
    settings = [value for value in values if "training_repo_root" in value or "worker_command" in value]
    assert len(settings) == 2
    for number, value in enumerate(settings):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        load_config(path, REPOSITORY, {})


def test_the_result_of_the_examples_keeps_the_contract() -> None:
    (value,) = [found for block in all_blocks("json") if "direction" in (found := json.loads(block.text))]
    assert Result.from_json(value).metric == "val_dice"
    assert set(value) == set(schemas.load_schema("result")["required"])


def test_the_parse_search_space_the_examples_is_one() -> None:
    (block,) = all_blocks("yaml")
    value = yaml.safe_load(block.text)
    base = {"seed": 0, "training": {"epochs": 20}, "model": {"width": 16}}
    base["optimizer"] = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9}
    assert parse_search_space(value, base).budget_key == "training.epochs"
    assert set(value) == set(schemas.load_schema("search_space")["properties"])


def test_the_worker_of_the_examples_answers_a_real_question(night: Path) -> None:
    (block,) = all_blocks("python")
    question = next(WorkspacePaths(night).calls.glob("*/observation.json")).read_text(encoding="utf-8")
    argv = [sys.executable, "-X", "utf8", "-c", block.text]
    said = subprocess.run(argv, input=question, capture_output=True, text=True, encoding="utf-8", timeout=30)
    assert Decision.from_json(json.loads(said.stdout)).action == "wait"


# artifacts.md


def artifact_rows() -> list[list[str]]:
    return [row for row in table_rows(DOCS / "artifacts.md") if row[0].startswith("`")]


def shown_paths() -> list[str]:
    """Return the paths of the first column, relative to the workspace, with ``*`` for a name."""
    return [path for row in artifact_rows() for path in re.findall(r"`([^`]+)`", row[0])]


def is_shown(path: str) -> bool:
    """Tell whether a row stands for this very path: as many parts, each of them matched."""
    parts = path.split("/")
    return any(
        len(shown := pattern.split("/")) == len(parts) and all(map(fnmatchcase, parts, shown))
        for pattern in shown_paths()
    )


def named_paths() -> list[str]:
    """Return every path that ``WorkspacePaths`` names, and those of a report."""
    root = Path("/workspace").absolute()
    paths = WorkspacePaths(root)
    examples = {"run": ("R0001",), "attempt": ("R0001", 1), "checkout": ("k1",), "call": ("c1",)}
    found = []
    for name, member in inspect.getmembers(WorkspacePaths):
        if isinstance(member, property):
            found.append(getattr(paths, name))
        elif inspect.isfunction(member) and not name.startswith("_"):
            found.append(member(paths, *examples[name]))  # a new method wants an example here, and a line in the page
    report = standard_places(paths, 10)
    found += [getattr(report, name) for name in Places.__slots__ if name != "figures"]
    return [path.relative_to(root).as_posix() for path in found]


@pytest.mark.parametrize("path", named_paths())
def test_each_path_that_the_code_names_has_its_line(path: str) -> None:
    assert is_shown(path), f"docs/artifacts.md has no line for {path}"


def test_a_path_without_a_line_is_noticed() -> None:
    assert not is_shown(".llm_loop/something_new.json") and not is_shown(".llm_loop/artifacts/new/deep.md")


def test_each_file_of_a_real_night_has_its_line(
    a_night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(a_night)
    for words in (["finishup", "--minutes-left", "5"], ["pause"], ["queue"]):
        assert main(words) == 0
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop.report", "--workspace-root", str(a_night)]
    subprocess.run(argv, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    files = [path for path in (a_night / ".llm_loop").rglob("*") if path.is_file()]
    assert len(files) > 40
    unknown = [name for path in files if not is_shown(name := path.relative_to(a_night).as_posix())]
    assert not unknown


def test_the_lines_are_whole_and_their_schemas_are_there() -> None:
    heads = [row for row in table_rows(DOCS / "artifacts.md") if row[0] == "path"]
    assert heads and all(head == COLUMNS for head in heads)
    for row in artifact_rows():
        assert len(row) == len(COLUMNS) and row[1] + row[2] and row[3] and row[4].startswith(("yes", "no", "make", "`"))
        for name in re.findall(r"`([\w./]+\.(?:schema\.json|py))`", row[2]):
            folder = "llm_loop/contract" if name.endswith(".json") else "llm_loop"
            assert (REPOSITORY / folder / PurePosixPath(name)).is_file(), name


# troubleshooting.md


def test_each_message_of_the_symptoms_is_one_that_the_loop_prints() -> None:
    suffixes = {".py", ".ps1"}
    places = [*(REPOSITORY / "llm_loop").rglob("*"), *(REPOSITORY / "scripts").rglob("*")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in places if path.suffix in suffixes)
    rows = [row for row in table_rows(DOCS / "troubleshooting.md") if row[0] not in ("you see", "---")]
    assert len(rows) > 40 and all(len(row) == 3 and all(row) for row in rows)
    quoted = [part.strip() for row in rows for text in re.findall(r"`([^`]+)`", row[0]) for part in text.split("*")]
    missing = [text for text in quoted if text and not is_said(text, code)]
    assert not missing


def is_said(text: str, code: str) -> bool:
    """Tell whether the code prints a text; a command that it names need not stand in it letter for letter."""
    return text in code or text.lower() in code or text in {"reproduce --check", "FINISH_UP.json", "final_report.html"}
