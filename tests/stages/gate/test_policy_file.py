"""The policy file: a person adds rules and takes rules away; a broken one is one clear error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from llm_loop.errors import ConfigError
from llm_loop.stages.gate import GateContext, judge, load_policy
from tests.stages.gate.cases import POLICY_FILE, codes, run


def test_a_user_can_extend_the_policy(tmp_path: Path, context: GateContext) -> None:
    value = yaml.safe_load(POLICY_FILE.read_text(encoding="utf-8"))
    rule = {"code": "house_rule", "programs": ["wget"], "message": "no {program} here", "fix": "use data/"}
    value["programs"].append(rule)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8-sig")
    issues = judge(run("wget https://example.org/x"), replace(context, policy=load_policy(path))).issues
    assert [(issue.code, issue.message) for issue in issues] == [("house_rule", "no wget here")]


def test_a_user_can_remove_rules(tmp_path: Path, context: GateContext) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\n", encoding="utf-8")
    assert codes(run("vim x; pip install y"), replace(context, policy=load_policy(path))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 1\nprogramms: []\n", ["programms", "nearest known: 'programs'"]),
        ("version: 1\nprograms:\n- {code: a, mesage: b, fix: c, programs: [x]}\n", ["programs.0", "'message'"]),
        ("version: 1\nprograms:\n- {code: A b, message: b, fix: c, programs: [x]}\n", ["programs.0.code"]),
        ("version: 2\n", ["version"]),
        ("version: [1\n", ["not YAML"]),
        ("just text\n", ["is not of type object"]),
        ("", ["is not of type object"]),
    ],
)
def test_a_broken_policy_names_file_and_key(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_policy(path)
    assert all(word in str(raised.value) for word in ["policy.yaml", *words])


def test_a_missing_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_policy(tmp_path / "none.yaml")
