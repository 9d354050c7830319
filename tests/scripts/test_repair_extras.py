"""The packages of repairs, as the maps of a configuration name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bootstrap
from environments.problem import SetupProblem
from environments.repair_extras import MAPS, repair_packages

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [
    *("einops", "opencv-python", "pillow", "pyyaml", "scikit-learn", "segmentation-models-pytorch", "timm"),
    "transformers",
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "daemon_config.json"


def given(config: Path, **maps: object) -> list[str]:
    config.write_text(json.dumps(maps), encoding="utf-8-sig")  # with a mark, as PowerShell 5.1 writes it
    return repair_packages(ROOT, config)


def test_the_shipped_maps(config: Path) -> None:
    assert repair_packages(ROOT, config) == SHIPPED
    assert given(config) == SHIPPED


def test_they_are_merged_as_the_loop_merges_them(config: Path, tmp_path: Path) -> None:
    from llm_loop.config import load_config

    maps = {
        MAPS[0]: {"TIMM": "timm>=1.0 Yacs", "einops": [], "mine": ["Pillow", "a[b]==1.*"]},
        MAPS[2]: {"my_net": "timm"},
    }
    found = given(config, **maps)
    assert sorted(found) == sorted({*SHIPPED, "timm>=1.0", "Yacs", "Pillow", "a[b]==1.*"} - {"pillow"})
    settings = load_config(config, tmp_path, {})
    named = {text for name in MAPS for texts in getattr(settings, name).values() for text in texts}
    assert {one.lower() for one in named} == {one.lower() for one in found}


@pytest.mark.parametrize(
    "value", ["--index-url=http://x", ["-r", "x.txt"], ["./folder"], ["a @ file:///x"], [3], 7, ["timm; x"], [""]]
)
def test_what_pip_must_not_be_given_is_refused(config: Path, value: object) -> None:
    with pytest.raises(SetupProblem, match="names no packages"):
        given(config, **{MAPS[1]: {"x": value}})


@pytest.mark.parametrize("text", ["", "[]", '{"a": '])
def test_a_broken_configuration_is_said_in_one_line(config: Path, text: str) -> None:
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SetupProblem, match=r"daemon_config\.json"):
        repair_packages(ROOT, config)
    with pytest.raises(SetupProblem, match="names no packages"):
        given(config, **{MAPS[1]: ["timm"]})


@pytest.mark.parametrize("form", [["--workspace", "{}"], ["--workspace={}"]])
def test_the_configuration_is_that_of_the_workspace(tmp_path: Path, form: list[str]) -> None:
    (tmp_path / "config").mkdir()
    given(tmp_path / "config" / "daemon_config.json", **{MAPS[0]: {"x": "only-here"}})
    before = [word.format(tmp_path) for word in form]
    assert "only-here" in bootstrap._repair_packages(before)
    assert bootstrap._repair_packages([]) == SHIPPED
