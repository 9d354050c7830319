"""What a decision's config file holds, as the history and the planner see it; it may hold anything."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from llm_loop.config import load_config
from llm_loop.contract.run import Run, RunState
from llm_loop.errors import ConfigError
from llm_loop.stages import observe
from llm_loop.stages.observe import flatten, params_of_run
from tests.conftest import make_workspace

BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}\n" for n in range(1, 40))


def run_with(text: str) -> Run:
    return Run(
        run_id="R0001",
        label="a",
        label_decided="a",
        cycle=1,
        cycle_trace_id="C0001-0",
        state=RunState.RUNNING,
        decision={"run_files": [{"name": "own.yaml", "text": text}]},
        proposer="worker",
        monitor_seconds=60,
        experiment="0",
        staged_seq=1,
        cycle_record={},
    )


def test_nested_keys_become_dotted_ones() -> None:
    params = params_of_run(run_with("seed: 3\nmodel: {name: small, layers: [1, 2]}\nx: null\nwhen: 2026-01-01"))
    assert params == {"seed": 3, "model.name": "small", "x": None}


@pytest.mark.parametrize(
    "text",
    ["d: 2001-99-99", "n: " + "9" * 5000, "[" * 3000, "a: &a\n  b: *a", BOMB, "{", "- 1", "k: v\n" * 5000],
    ids=range(8),
)
def test_what_is_no_plain_config_has_no_params(text: str) -> None:
    began = time.process_time()
    assert params_of_run(run_with(text)) is None
    assert time.process_time() - began < 5


def test_numbers_that_json_cannot_say_are_left_out() -> None:
    assert flatten({"a": float("nan"), "b": {"c": float("inf"), "d": 10**400, "e": True}}) == {"b.e": True}


@pytest.mark.parametrize("text", ["a: 2001-99-99", "a: [1", "- 1", "[" * 3000])
def test_a_search_space_that_does_not_parse_names_its_file(
    tmp_path: Path, clean_environ: dict[str, str], text: str
) -> None:
    root = make_workspace(tmp_path / "w", search_space="config/space.yaml")
    space = root / "config" / "space.yaml"
    space.write_text(text, encoding="utf-8")
    config = load_config(root / "config" / "daemon_config.json", root, clean_environ)
    with pytest.raises(ConfigError, match=r"space\.yaml"):
        observe.read_search_space(config)
