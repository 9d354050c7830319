"""Patched copies of config files: values change, everything else stays; what cannot be patched safely is refused."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_loop.repairs.config_copy import copy_name, main, write_copy
from llm_loop.repairs.patched_text import ConfigNotPatched, patched_json, patched_yaml
from llm_loop.system import files

REPOSITORY = Path(__file__).parents[2]
PRESETS = sorted((REPOSITORY / "config" / "trainer").glob("*.yaml"))
ODD = """\
# the head stays
schema_version: 1

data:   # where
    source: digits              # 300
    root: 'data/x'
    on: yes
    oct: 010
    list: [1, 2,
           3]   # over two lines

    # a comment of its own
model: &m {name: "unet_resnet34", width: 16}   # flow
optimizer:
  lr: 1e-3  # text, for PyYAML
  betas:
  - 0.9
  - 0.999   # the last one
note: |
  keep
  this
empty:
time: 12:30:45
# the end stays
"""


def changed_lines(old: str, new: str) -> list[str]:
    lines = difflib.ndiff(old.splitlines(), new.splitlines())
    return [line for line in lines if line[:2] in ("- ", "+ ")]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_shipped_preset_keeps_all_but_one_line(preset: Path, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "a.yaml"
    old = write_copy(preset, target, {"training.batch_size": 7})
    lines = changed_lines(files.read_text(preset), files.read_text(target))
    assert old["training.batch_size"] in (16, 32)
    assert lines == [f"-   batch_size: {old['training.batch_size']}", "+   batch_size: 7"]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"data.source": "folder"},
            ["-     source: digits              # 300", "+     source: folder              # 300"],
        ),
        ({"data.root": "yes"}, ["-     root: 'data/x'", "+     root: 'yes'"]),
        ({"optimizer.lr": 1e-05}, ["-   lr: 1e-3  # text, for PyYAML", "+   lr: 1.0e-05  # text, for PyYAML"]),
        ({"empty": 3}, ["- empty:", "+ empty: 3"]),
        ({"optimizer.betas2": 0.5}, ["+   betas2: 0.5"]),
        ({"data.accumulation_steps": 2}, ["+     accumulation_steps: 2"]),
        ({"training.accumulation_steps": 2}, ["+ training:", "+   accumulation_steps: 2"]),
        (
            {"model.name": "simple_unet", "model.depth": 3},
            [
                '- model: &m {name: "unet_resnet34", width: 16}   # flow',
                "+ model: &m {depth: 3, name: simple_unet, width: 16}   # flow",
            ],
        ),
    ],
)
def test_only_what_is_wanted_changes(changes: dict[str, Any], lines: list[str]) -> None:
    text, _ = patched_yaml(ODD, changes)
    assert changed_lines(ODD, text) == lines
    read = yaml.safe_load(text)
    for key, value in changes.items():
        at = read
        for part in key.split("."):
            at = at[part]
        assert (at, type(at)) == (value, type(value))


def test_several_changes_are_made_at_once() -> None:
    text, old = patched_yaml(ODD, {"optimizer.lr": 0.5, "data.oct": 7, "model.width": 8, "new": True})
    assert old == {"optimizer.lr": "1e-3", "data.oct": 8, "model.width": 16, "new": None}
    read = yaml.safe_load(text)
    assert (read["optimizer"]["lr"], read["data"]["oct"], read["model"]["width"], read["new"]) == (0.5, 7, 8, True)


def test_a_key_that_holds_dots_is_found() -> None:
    assert patched_yaml("a.b: 1\n", {"a.b": 2})[0] == "a.b: 2\n"


def test_a_flow_section_takes_a_new_key() -> None:
    text, _ = patched_yaml("a: {b: 1}\nc: {}\n", {"a.d.e": 2, "c.f": 3})
    assert yaml.safe_load(text) == {"a": {"b": 1, "d": {"e": 2}}, "c": {"f": 3}}


def test_a_file_without_a_last_line_end_takes_a_new_key() -> None:
    assert patched_yaml("a:\n  b: 1", {"a.c": 2})[0] == "a:\n  b: 1\n  c: 2"


@pytest.mark.parametrize(
    ("text", "changes", "why"),
    [
        ("a: &x 1\nb: *x\n", {"b": 2}, "undefined alias"),
        ("base: &x {lr: 1}\na: *x\nb: *x\n", {"a.lr": 2}, "something else"),
        ("a: [1, 2]\n", {"a": 3}, "no single value"),
        ("a: {b: 1}\n", {"a": 3}, "no single value"),
        ("a: 1\n", {"a.b": 3}, "no section"),
        ("a: |\n  x\n  y\n", {"a": "z"}, "several lines"),
        ("- 1\n", {"a": 3}, "no mapping"),
        ("", {"a": 3}, "empty"),
        ("a: 1\n---\nb: 2\n", {"a": 3}, "no YAML"),
        ("a: [1\n", {"a": 3}, "no YAML"),
        ("defaults:\n- model: unet\nlr: 1\n", {"lr": 2}, "own folder"),
        ("_base_: ../base.py\nlr: 1\n", {"lr": 2}, "own folder"),
        ("a: 1\n", {"b: 2\nc": 3}, "no key"),
        ("a: 1\n", {"a": "x\ny: 2"}, "no value"),
        ("a: 1\n", {"a": [1]}, "no value"),
        ("a: " + "[" * 5_000, {"a": 3}, "no YAML"),
        (
            "x0: &x0 [1]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" for n in range(1, 25)),
            {"b": 1},
            "too large",
        ),
    ],
)
def test_what_cannot_be_patched_safely_is_refused(text: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigNotPatched, match=why):
        patched_yaml(text, changes)


def test_no_value_becomes_yaml() -> None:
    for hostile in ("*x", "&x", "!!python/name:os.system", "{a: 1}", "a: b", "# no", "- 1", "no", "1e3", "'", '"', ""):
        text, _ = patched_yaml("a: 1 # c\nb: {d: 2}\n", {"a": hostile})
        assert yaml.safe_load(text) == {"a": hostile, "b": {"d": 2}}
        assert "# c" in text


def test_json_is_patched_too() -> None:
    text, old = patched_json('{"train": {"bs": 64, "lr": 0.1}}', {"train.bs": 32, "train.steps": 2})
    assert json.loads(text) == {"train": {"bs": 32, "lr": 0.1, "steps": 2}} and old == {
        "train.bs": 64,
        "train.steps": None,
    }
    for broken in ("{", "[]", '{"train": 1}'):
        with pytest.raises(ConfigNotPatched):
            patched_json(broken, {"train.bs": 1})


@pytest.mark.parametrize(
    ("label", "config", "name"),
    [
        ("wide net", "configs/big.yaml", "20260101T000000Z_wide-net_big_autofix_simple-unet.yaml"),
        ("../../x; rm", "a b.yml", "20260101T000000Z_x-rm_a-b_autofix_simple-unet.yml"),
        ("\u00fcb", "C:\\c\\.json", "20260101T000000Z_b_x_autofix_simple-unet.json"),
        ("x" * 99, "noending", f"20260101T000000Z_{'x' * 40}_noending_autofix_simple-unet.yaml"),
    ],
)
def test_a_copy_has_a_name_that_every_system_takes(label: str, config: str, name: str) -> None:
    assert copy_name("20260101T000000Z", label, config, "simple_unet") == name


def ask(folder: Path, request: dict[str, Any]) -> int:
    files.replace_json(folder / "request.json", request)
    return main([str(folder)])


def test_the_child_answers_where_the_copy_lies(tmp_path: Path) -> None:
    source, target = tmp_path / "a b.yaml", tmp_path / "autofix" / "copy.yaml"
    source.write_bytes(b"\xef\xbb\xbfmodel:\r\n  name: unet  # c\r\n")
    files.replace_json(
        tmp_path / "request.json",
        {"source": str(source), "target": str(target), "changes": {"model.name": "simple_unet"}},
    )
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "llm_loop.repairs.config_copy", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert files.read_json(tmp_path / "answer.json") == {
        "path": str(target),
        "old": {"model.name": "unet"},
        "why": None,
    }
    assert target.read_bytes() == b"model:\n  name: simple_unet  # c\n"
    assert source.read_bytes().startswith(b"\xef\xbb\xbfmodel:\r\n")


def test_the_child_says_why_there_is_no_copy(tmp_path: Path) -> None:
    target = tmp_path / "copy.yaml"
    request = {"source": str(tmp_path / "none.yaml"), "target": str(target), "changes": {"a": 1}}
    assert ask(tmp_path, request) == 0
    answer = files.read_json(tmp_path / "answer.json")
    assert answer["path"] is None and "cannot be read" in answer["why"] and not target.exists()


def test_a_request_that_is_none_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1 and main([str(tmp_path / "nothing")]) == 1
    for request in ({}, {"source": "a.yaml", "target": "b.yaml", "changes": {"a": 1}}, {"source": 1}):
        assert ask(tmp_path, request) == 1
    assert "config copy: the request" in capsys.readouterr().err
