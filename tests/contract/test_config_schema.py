"""The configuration's schema holds what its readers build on."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from llm_loop.config import RESERVED_VARIABLES, Config, load_config
from llm_loop.config.sources import known_keys
from llm_loop.contract.schemas import load_schema

# Every key that users of this system know, with its known default where that is kept.
KNOWN: dict[str, Any] = {
    "run_id": "llm_driven_cnns_day01",
    "workspace_root": ...,
    "python_exe": ...,
    "data_source_root": ...,
    "run_shell": "auto",
    "model": ...,
    "reasoning_effort": "high",
    "web_search_mode": "live",
    "network_access_enabled": ...,
    "skip_git_repo_check": True,
    "interaction_mode": "standard",
    "daemon_poll_seconds": 20,
    "cycle_poll_seconds": 5,
    "default_monitor_seconds": 300,
    "max_monitor_seconds": 1800,
    "rechallenge_on_done": True,
    "enable_stuck_wait_recovery": False,
    "stuck_wait_recovery_cycles": 8,
    "stale_orphan_idle_cycles": 3,
    "force_bootstrap_if_idle": True,
    "bootstrap_label": ...,
    "bootstrap_command": ...,
    "mission_file": "AGENTS.md",
    "worker_mission_file": "WORKER_MISSION.md",
    "mentor_mission_file": "MENTOR_MISSION.md",
    "worker_display_name": "AI-Builder",
    "mentor_display_name": "AI-Mentor",
    "mentor_enabled": True,
    "mentor_every_n_cycles": 4,
    "mentor_health_check_every_n_cycles": 10,
    "mentor_force_when_stuck": True,
    "mentor_challenge_streak_min_idle_cycles": 4,
    "mentor_apply_suggestions": True,
    "mentor_require_web_search": False,
    "mentor_model": ...,
    "mentor_reasoning_effort": ...,
    "mentor_web_search_mode": ...,
    "mentor_network_access_enabled": ...,
    "auto_repair_enabled": True,
    "auto_repair_retry_on_success": True,
    "auto_repair_allow_direct_module_install": True,
    "auto_repair_python_exe": ...,
    "auto_repair_module_package_map": {
        "segmentation_models_pytorch": ["segmentation-models-pytorch", "timm"],
        "timm": ["timm"],
        "einops": ["einops"],
        "transformers": ["transformers"],
    },
    "auto_repair_module_alias_map": {
        "cv2": ["opencv-python"],
        "pil": ["pillow"],
        "yaml": ["pyyaml"],
        "sklearn": ["scikit-learn"],
    },
    "auto_repair_model_package_map": {
        "unet_resnet34": ["segmentation-models-pytorch", "timm"],
        "unet_resnet34_dual": ["segmentation-models-pytorch", "timm"],
        "unet_resnet34_dual_head": ["segmentation-models-pytorch", "timm"],
    },
    "auto_repair_module_clone_map": {},
    "auto_repair_model_clone_map": {},
    "auto_repair_model_fallback_map": {
        "unet_resnet34": "simple_unet",
        "unet_resnet34_dual": "simple_unet_dual_head",
        "unet_resnet34_dual_head": "simple_unet_dual_head",
    },
    "finishup_control_file": ".llm_loop/FINISH_UP.json",
    "finishup_report_script": "scripts/generate_finishup_report.py",
    "finishup_default_minutes_left": 60,
    "finishup_default_report_top_k": 10,
}

# Clamps and floors as known: the value is allowed, the next one is not.
BOUNDS = [
    ("daemon_poll_seconds", 5, 4),
    ("cycle_poll_seconds", 1, 0),
    ("stuck_wait_recovery_cycles", 2, 1),
    ("stale_orphan_idle_cycles", 1, 0),
    ("mentor_every_n_cycles", 1, 0),
    ("mentor_health_check_every_n_cycles", 1, 0),
    ("mentor_challenge_streak_min_idle_cycles", 0, -1),
    ("finishup_default_minutes_left", 1, 0),
    ("finishup_default_report_top_k", 1, 0),
    ("finishup_default_report_top_k", 100, 101),
    ("watch_interval_seconds", 5, 4),
    ("max_parallel_runs", 64, 65),
]


def test_the_schema_is_a_schema_and_closed() -> None:
    Draft202012Validator.check_schema(load_schema("config"))
    assert load_schema("config")["additionalProperties"] is False


def test_schema_and_dataclass_have_the_same_keys_in_the_same_order() -> None:
    assert [*known_keys(), "sources", "notices"] == [field.name for field in fields(Config)]


@pytest.mark.parametrize("key", KNOWN)
def test_a_known_key_is_there_with_its_default(key: str) -> None:
    assert KNOWN[key] in (..., known_keys()[key]["default"])


@pytest.mark.parametrize(("key", "good", "bad"), BOUNDS)
def test_known_bounds(key: str, good: int, bad: int) -> None:
    validator = Draft202012Validator(known_keys()[key])
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


@pytest.mark.parametrize("key", known_keys())
def test_every_key_says_what_it_is(key: str) -> None:
    schema = known_keys()[key]
    default = schema["default"]
    shown = "the built-in entries" if isinstance(default, dict) and default else json.dumps(default)
    assert schema["description"].endswith(f" Default: {shown}.")
    assert isinstance(schema["x-built"], bool)
    assert Draft202012Validator(schema).is_valid(default)
    for unit in ("seconds", "minutes", "mb"):
        if key.endswith(f"_{unit}"):
            assert {"mb": "megabytes"}.get(unit, unit) in schema["description"].lower()


def test_a_fallback_comes_before_the_key_that_takes_it() -> None:
    order = list(known_keys())
    for key, schema in known_keys().items():
        if fallback := schema.get("x-fallback"):
            assert order.index(fallback) < order.index(key)


def test_aliases_lead_to_values_that_are_allowed() -> None:
    mode = known_keys()["interaction_mode"]
    assert set(mode["x-aliases"]) | set(mode["x-aliases"].values()) == set(mode["enum"])


def test_no_key_hides_behind_a_reserved_variable() -> None:
    assert not RESERVED_VARIABLES & {f"LLM_LOOP_{key.upper()}" for key in known_keys()}


def test_no_default_is_a_place_on_somebodys_machine() -> None:
    texts = [schema["default"] for schema in known_keys().values() if isinstance(schema["default"], str)]
    assert [text for text in texts if PurePosixPath(text).is_absolute() or ":" in text or "\\" in text] == []


def test_every_default_given_in_the_file_loads_without_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({key: schema["default"] for key, schema in known_keys().items()}), encoding="utf-8")
    config = load_config(path, tmp_path, {})
    assert config.notices == ()
    path.write_text("{}", encoding="utf-8")
    defaults = load_config(path, tmp_path, {})
    assert [key for key in known_keys() if getattr(config, key) != getattr(defaults, key)] == []
