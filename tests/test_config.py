"""What a person writes into the configuration, and what the loop makes of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_loop.config import CloneSource, Config, InteractionMode, RunShell, SourceKind, explain, load_config
from llm_loop.config.sources import RESERVED_VARIABLES, known_keys
from llm_loop.contract.result import Direction
from llm_loop.errors import ConfigError

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "config" / "daemon_config.json"


class Desk:
    """A workspace with a configuration file to write into."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.path = workspace / "config" / "daemon_config.json"
        self.path.parent.mkdir(parents=True)

    def load(self, values: Any = None, **environ: str) -> Config:
        return self.load_text(json.dumps({} if values is None else values), **environ)

    def load_text(self, text: str, **environ: str) -> Config:
        self.path.write_text(text, encoding="utf-8")
        return load_config(self.path, self.workspace, environ)

    def refusal(self, values: Any, **environ: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(values, **environ)
        assert caught.value.exit_code == 2
        return str(caught.value)

    def refusal_of_text(self, text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load_text(text)
        return str(caught.value)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "a work's & [späce]")


def test_the_shipped_file_works_as_it_is_and_says_nothing() -> None:
    config = load_config(SHIPPED, ROOT, {})
    assert config.notices == ()
    assert config.training_repo_root == ROOT / "demo"
    assert config.model is None
    assert config.network_access_enabled is False
    assert config.mentor_network_access_enabled is False
    assert (config.selection_metric, config.selection_direction) == ("val_log_loss", Direction.MIN)


def test_the_shipped_file_differs_from_the_defaults_in_the_domain_alone() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    different = {key for key, value in shipped.items() if key != "$schema" and value != known_keys()[key]["default"]}
    assert different == {"domain_images", "domain_metric"}
    assert (SHIPPED.parent / shipped["$schema"]).resolve() == ROOT / "llm_loop" / "contract" / "config.schema.json"


def test_an_empty_object_means_every_default(desk: Desk) -> None:
    config = desk.load()
    assert config.daemon_poll_seconds == 20
    assert config.max_run_seconds is None
    assert config.convergence_threshold == 0.0
    assert isinstance(config.planner_timeout_seconds, float)
    assert config.run_shell is RunShell.AUTO
    assert config.output_folders == ("runs", "outputs", "logs", "checkpoints")
    assert {source.kind for source in config.sources.values()} == {SourceKind.DEFAULT}
    assert config.notices == ()


def test_two_loads_of_one_file_are_equal(desk: Desk) -> None:
    assert desk.load({"planner_seed": 3}) == desk.load({"planner_seed": 3})
    assert desk.load({"planner_seed": 3}) != desk.load({"planner_seed": 4})


def test_file_and_environment_override_the_defaults_in_this_order(desk: Desk) -> None:
    config = desk.load({"planner_seed": 3, "plan_ahead": False}, LLM_LOOP_PLANNER_SEED="4")
    assert (config.planner_seed, config.plan_ahead, config.max_parallel_runs) == (4, False, 1)
    assert str(config.sources["planner_seed"]) == "environment LLM_LOOP_PLANNER_SEED"
    assert str(config.sources["plan_ahead"]) == f"file {desk.path}"
    assert str(config.sources["max_parallel_runs"]) == "default"


# --- bad files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "planner_seed": 1,\n}', ["line 3, column 1", "remove the comma"]),
        ('{"notify_urls": ["a",]}', ["line 1, column", "remove the comma"]),
        ('{\n  // no\n  "planner_seed": 1}', ["line 2, column 3", "no comments"]),
        ('{"training_repo_root": "C:\\data"}', ["line 1", "write a backslash twice, or use /"]),
        ('{"planner_seed" 1}', ["line 1, column 17", "not JSON"]),
        ("", ["line 1, column 1", "{} means every default"]),
        ("[1]", ["one object"]),
        ('{"convergence_threshold": NaN}', ["NaN"]),
        ("[" * 100_000, ["not JSON"]),
        ('{"planner_seed": ' + "9" * 5000 + "}", ["not JSON"]),
        ('{"planner_seed": 1, "planner_seed": 2}', ["'planner_seed' is there twice"]),
    ],
)
def test_a_file_that_does_not_parse_is_one_line_with_its_place(desk: Desk, text: str, words: list[str]) -> None:
    message = desk.refusal_of_text(text)
    assert "\n" not in message
    assert message.startswith(f"{desk.path}: ")
    assert [word for word in words if word not in message] == []


def test_a_byte_order_mark_is_harmless(desk: Desk) -> None:
    assert desk.load_text('\ufeff{"planner_seed": 7}').planner_seed == 7


def test_missing_unreadable_and_wrongly_encoded_files_are_named(desk: Desk) -> None:
    def refusal() -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(desk.path, desk.workspace, {})
        return str(caught.value)

    assert refusal() == f"{desk.path}: no such file; go to the folder that holds config/, or name it with --workspace"
    desk.path.write_bytes("{}".encode("utf-16"))
    assert refusal() == f"{desk.path}: not UTF-8 text (byte 0); save it as UTF-8"
    desk.path.unlink()
    desk.path.mkdir()
    assert refusal().startswith(f"{desk.path}: cannot be read: ")


# --- bad values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("mentor_enabled", "false", 'is the text "false"; allowed: true or false'),
        ("mentor_enabled", 1, "is 1; allowed: true or false"),
        ("daemon_poll_seconds", 4, "is 4; allowed: a whole number from 5 to 31536000"),
        ("daemon_poll_seconds", "20", 'is the text "20"; allowed: a whole number from 5 to 31536000'),
        ("daemon_poll_seconds", True, "is true; allowed: a whole number from 5 to 31536000"),
        ("daemon_poll_seconds", 5.5, "is 5.5; allowed: a whole number from 5 to 31536000"),
        ("watch_interval_seconds", 4, "is 4; allowed: a whole number from 5 to 31536000"),
        ("max_parallel_runs", 65, "is 65; allowed: a whole number from 1 to 64"),
        ("finishup_default_report_top_k", 101, "is 101; allowed: a whole number from 1 to 100"),
        ("run_id", None, "is null; allowed: text that is not empty"),
        ("target_value", "low", 'is the text "low"; allowed: a number, or null'),
        ("run_shell", "zsh", 'is the text "zsh"; allowed: one of auto, bash, sh, pwsh, powershell'),
        ("notify_urls", "x", 'is the text "(not shown)"; allowed: a list (each entry: text that is not empty)'),
        ("devices", 3, "is 3; allowed: one of auto, none or a list (each entry: a whole number or text)"),
        ("auto_repair_model_fallback_map", [], "is []; allowed: a map (each entry: text)"),
    ],
)
def test_a_wrong_value_names_file_key_value_and_what_is_allowed(desk: Desk, key: str, value: Any, line: str) -> None:
    assert desk.refusal({key: value}) == f"{desk.path}: key {key!r} {line}"


@pytest.mark.parametrize(
    ("value", "key", "allowed"),
    [
        ({"notify_urls": ["a", 1]}, "notify_urls.1", "text"),
        ({"price_table": {"m": {"input": "x"}}}, "price_table.m.input", "a number, at least 0"),
        ({"auto_repair_module_clone_map": {"q": {"rep": 1}}}, "auto_repair_module_clone_map.q", "a map with repo"),
    ],
)
def test_a_wrong_value_inside_a_list_or_map_is_found(desk: Desk, value: Any, key: str, allowed: str) -> None:
    message = desk.refusal(value)
    assert f"key {key!r} is " in message
    assert allowed in message.split("allowed: ")[1]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
@pytest.mark.parametrize("place", ['{{"target_value": {}}}', '{{"price_table": {{"m": {{"input": {}}}}}}}'])
def test_a_number_that_no_float_holds_is_refused(desk: Desk, place: str, number: str) -> None:
    assert "allowed: " in desk.refusal_of_text(place.format(number))


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("daemon_poll_secnds", "daemon_poll_seconds"),
        ("Mentor-Enabled", "mentor_enabled"),
        ("training_repo", "training_repo_root"),
    ],
)
def test_an_unknown_key_names_the_nearest_known(desk: Desk, key: str, nearest: str) -> None:
    assert desk.refusal({key: 1}) == f"{desk.path}: unknown key {key!r} (nearest known: {nearest!r})"


def test_a_key_like_no_other_points_to_the_list(desk: Desk) -> None:
    assert desk.refusal({"qqq": 1}).endswith("unknown key 'qqq'; `llm-loop config --explain` lists the known keys")


def test_all_problems_are_said_at_once(desk: Desk) -> None:
    lines = desk.refusal({"plan_ahead": 0, "planer_seed": 1}, LLM_LOOP_MAX_PARALLEL_RUNS="two").splitlines()
    assert len(lines) == 4
    assert "'plan_ahead'" in lines[1]
    assert "'planer_seed'" in lines[2]
    assert "LLM_LOOP_MAX_PARALLEL_RUNS" in lines[3]


def test_many_problems_are_cut_to_ten_lines(desk: Desk) -> None:
    lines = desk.refusal({f"nonsense_{number}": 1 for number in range(30)}).splitlines()
    assert len(lines) == 11
    assert lines[-1].strip() == "... and 21 more"


def test_a_long_or_many_lined_value_stays_one_short_line(desk: Desk) -> None:
    message = desk.refusal({"mentor_enabled": "x\n" * 5000})
    assert "\n" not in message
    assert len(message) < 250 + len(str(desk.path))


# --- environment -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("LLM_LOOP_MENTOR_ENABLED", "no", "mentor_enabled", False),
        ("LLM_LOOP_FALLBACK_PLANNER", "0", "fallback_planner", False),
        ("LLM_LOOP_NETWORK_ACCESS_ENABLED", " True ", "network_access_enabled", True),
        ("LLM_LOOP_MENTOR_NETWORK_ACCESS_ENABLED", "1", "mentor_network_access_enabled", True),
        ("LLM_LOOP_PLANNER_SEED", " 12 ", "planner_seed", 12),
        ("LLM_LOOP_STOP_GRACE_SECONDS", "2.5", "stop_grace_seconds", 2.5),
        ("LLM_LOOP_STALL_SECONDS", "null", "stall_seconds", None),
        ("LLM_LOOP_TARGET_VALUE", "-1e-3", "target_value", -0.001),
        ("LLM_LOOP_RUN_ID", "12", "run_id", "12"),
        ("LLM_LOOP_RUN_ID", "null", "run_id", "null"),
        ("LLM_LOOP_MODEL", "", "model", None),
        ("LLM_LOOP_FORBIDDEN_APPROACHES", '["nnunet", "two words"]', "forbidden_approaches", ("nnunet", "two words")),
        ("LLM_LOOP_DEVICES", "[0, 1]", "devices", ("0", "1")),
        ("LLM_LOOP_DEVICES", "AUTO", "devices", "auto"),
        ("LLM_LOOP_DEVICES", "None", "devices", "none"),
        ("LLM_LOOP_DEVICES", "[]", "devices", ()),
        ("LLM_LOOP_RUN_SHELL", "PWSH", "run_shell", RunShell.PWSH),
        ("LLM_LOOP_BOOTSTRAP_COMMAND", "[ -d x ] && true", "bootstrap_command", "[ -d x ] && true"),
    ],
)
def test_a_variable_is_read_by_the_type_of_its_key(desk: Desk, variable: str, text: str, key: str, value: Any) -> None:
    config = desk.load(None, **{variable: text})
    assert getattr(config, key) == value
    assert str(config.sources[key]) == f"environment {variable}"


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("LLM_LOOP_MENTOR_ENABLED", "maybe", "true or false"),
        ("LLM_LOOP_MAX_PARALLEL_RUNS", "two", "a whole number from 1 to 64"),
        ("LLM_LOOP_MAX_PARALLEL_RUNS", "", "a whole number from 1 to 64"),
        ("LLM_LOOP_MAX_PARALLEL_RUNS", "1_0", "a whole number from 1 to 64"),
        ("LLM_LOOP_TARGET_VALUE", "NaN", "a number, or null"),
        ("LLM_LOOP_NOTIFY_URLS", "[", "a list (each entry: text that is not empty), as JSON"),
        ("LLM_LOOP_NOTIFY_URLS", "http://x", "a list (each entry: text that is not empty), as JSON"),
    ],
)
def test_a_wrong_variable_is_named(desk: Desk, variable: str, text: str, allowed: str) -> None:
    message = desk.refusal({}, **{variable: text})
    assert message.startswith(f"environment variable {variable}: key {variable[9:].lower()!r} is the text ")
    assert message.endswith(f"; allowed: {allowed}")


def test_reserved_variables_are_no_keys_and_stray_ones_are_a_notice(desk: Desk) -> None:
    reserved = dict.fromkeys(RESERVED_VARIABLES, "x")
    assert desk.load({}, **reserved).notices == ()
    notices = desk.load({}, LLM_LOOP_PLANER_SEED="1", PLANNER_SEED="1").notices
    assert notices == (
        "environment variable LLM_LOOP_PLANER_SEED is no key and is ignored (nearest known: 'LLM_LOOP_PLANNER_SEED')",
    )


# --- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["../my repo/sub", "..\\my repo\\sub", "./../my repo//sub/"])
def test_a_relative_path_is_taken_from_the_workspace_with_either_separator(desk: Desk, text: str) -> None:
    assert desk.load({"training_repo_root": text}).training_repo_root == desk.workspace.parent / "my repo" / "sub"


def test_home_and_absolute_paths_stay_what_they_are(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert desk.load({"sealed_root": "~/sealed"}).sealed_root == tmp_path / "sealed"
    assert desk.load({"sealed_root": str(tmp_path / "x")}).sealed_root == tmp_path / "x"


def test_workspace_root_moves_the_base_of_the_other_paths(desk: Desk) -> None:
    config = desk.load({"sealed_root": "s", "workspace_root": "../other"})
    assert config.workspace_root == desk.workspace.parent / "other"
    assert config.sealed_root == config.workspace_root / "s"
    assert config.train_python_exe.is_relative_to(config.workspace_root / ".venv-train")


def test_a_text_that_is_no_path_is_refused(desk: Desk) -> None:
    assert desk.refusal({"sealed_root": "a\0b"}).endswith("allowed: a path without a NUL character")


@pytest.mark.skipif(os.name == "nt", reason="another user's home folder is guessed there")
def test_a_home_folder_that_nobody_has_is_refused(desk: Desk) -> None:
    assert "key 'sealed_root'" in desk.refusal({"sealed_root": "~no such user at all/x"})


@pytest.mark.skipif(os.name == "nt", reason="a drive is a place there")
@pytest.mark.parametrize("text", ["C:\\data", "c:/data", "\\\\server\\share\\x"])
def test_a_windows_place_is_refused_elsewhere(desk: Desk, text: str) -> None:
    message = desk.refusal({"training_repo_root": text})
    assert message.endswith("allowed: a path of this machine, not one with a Windows drive, or a relative path")


def test_interpreters(desk: Desk) -> None:
    folder, name = os.path.split(sys.executable)
    given = desk.load({"train_python_exe": name}, PATH=folder)
    assert given.train_python_exe == Path(sys.executable)
    assert given.auto_repair_python_exe == given.train_python_exe
    both = desk.load({"train_python_exe": "venv/python", "auto_repair_python_exe": "other/python"})
    assert both.auto_repair_python_exe == desk.workspace / "other" / "python"
    default = desk.load({"train_python_exe": "", "auto_repair_python_exe": None})
    assert default.train_python_exe.parts[-3] == ".venv-train"
    assert default.auto_repair_python_exe == default.train_python_exe
    assert default.python_exe is None
    assert desk.refusal({"train_python_exe": "no-such-python"}, PATH=folder).endswith("name of a program on PATH")


# --- known meanings --------------------------------------------------------------------------------


def test_mission_file_is_the_fallback_of_both(desk: Desk) -> None:
    missions = [
        ({}, "WORKER_MISSION.md", "MENTOR_MISSION.md"),
        ({"mission_file": "M.md"}, "M.md", "M.md"),
        ({"mission_file": "M.md", "mentor_mission_file": "X.md"}, "M.md", "X.md"),
        ({"worker_mission_file": None}, "AGENTS.md", "MENTOR_MISSION.md"),
    ]
    for values, worker, mentor in missions:
        config = desk.load(values)
        assert config.worker_mission_file == desk.workspace / worker
        assert config.mentor_mission_file == desk.workspace / mentor


def test_the_mentor_takes_the_workers_settings_unless_it_has_its_own(desk: Desk) -> None:
    config = desk.load(
        {"model": "m", "reasoning_effort": "low", "network_access_enabled": True, "mentor_reasoning_effort": "high"}
    )
    assert (config.mentor_model, config.mentor_reasoning_effort) == ("m", "high")
    assert (config.mentor_web_search_mode, config.mentor_network_access_enabled) == ("live", True)
    assert str(config.sources["mentor_model"]) == f"file {desk.path}"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("classic", InteractionMode.STANDARD),
        ("default", InteractionMode.STANDARD),
        ("Builder_Only", InteractionMode.BUILDER_HEALTH_HELPER),
        ("mentor_health_helper", InteractionMode.BUILDER_HEALTH_HELPER),
    ],
)
def test_interaction_mode_has_its_known_other_names(desk: Desk, text: str, mode: InteractionMode) -> None:
    assert desk.load({"interaction_mode": text}).interaction_mode is mode


def test_display_names_left_empty_are_the_known_ones(desk: Desk) -> None:
    assert desk.load({"worker_display_name": ""}).worker_display_name == "AI-Builder"


def test_repair_maps_are_merged_over_the_built_in_ones(desk: Desk) -> None:
    config = desk.load(
        {
            "auto_repair_module_alias_map": {"CV2": "opencv-headless numpy", "skimage": ["scikit-image"], "yaml": ""},
            "auto_repair_model_fallback_map": {"Big": "small"},
            "auto_repair_module_clone_map": {"A": "https://x/y.git", "b": {"repo": "../r", "editable": False}},
        }
    )
    assert config.auto_repair_module_alias_map == {
        "cv2": ("opencv-headless", "numpy"),
        "pil": ("pillow",),
        "yaml": ("pyyaml",),
        "sklearn": ("scikit-learn",),
        "skimage": ("scikit-image",),
    }
    assert config.auto_repair_model_fallback_map["big"] == "small"
    assert config.auto_repair_model_fallback_map["unet_resnet34"] == "simple_unet"
    assert config.auto_repair_module_clone_map == {
        "a": CloneSource(repo="https://x/y.git"),
        "b": CloneSource(repo="../r", editable=False),
    }
    with pytest.raises(TypeError):
        config.auto_repair_module_alias_map["x"] = ("y",)  # type: ignore[index]


def test_a_known_key_that_is_not_built_yet_is_a_notice_when_it_is_set(desk: Desk) -> None:
    values = {"cycle_poll_seconds": 90, "test_command": None, "model": "m", "max_parallel_runs": 2}
    (notice,) = desk.load(values).notices
    assert notice == "key 'cycle_poll_seconds' is known but this version does not act on it yet"


def test_explain_shows_every_key_in_json(desk: Desk) -> None:
    config = desk.load({"devices": [0], "auto_repair_module_clone_map": {"a": "u"}, "interaction_mode": "builder"})
    rows = {row.key: row for row in explain(config)}
    assert list(rows) == list(known_keys())
    assert json.loads(rows["devices"].value_json) == ["0"]
    assert rows["sealed_root"].value == str(desk.workspace / ".llm_loop_sealed")
    assert rows["interaction_mode"].value_json == '"builder_health_helper"'
    assert rows["auto_repair_module_clone_map"].value == {"a": {"repo": "u", "ref": "", "subdir": "", "editable": True}}
    assert (rows["devices"].source, rows["run_id"].source) == (f"file {desk.path}", "default")
    assert (rows["model"].built, rows["finishup_report_script"].built) == (True, False)
    assert all(json.loads(row.value_json) == row.value and row.description for row in rows.values())


# --- what is never shown ---------------------------------------------------------------------------


def test_an_address_or_a_command_that_may_hold_a_login_is_never_shown(desk: Desk) -> None:
    secret = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    settings = {"notify_urls": [f"tgram://{secret}/1", secret], "notify_command": f"curl https://x.example/{secret}"}
    shown = {row.key: row.value_json for row in explain(desk.load(settings))}
    assert shown["notify_urls"] == '["tgram://(not shown)", "(not shown)"]'
    assert shown["notify_command"] == '"(not shown)"' and secret not in str(shown)
    for wrong in ({"notify_urls": f"tgram://{secret}/1"}, {"notify_urls": [secret, 3]}, {"notify_command": [secret]}):
        assert secret not in desk.refusal(wrong) and "allowed: " in desk.refusal(wrong)
    assert {row.key: row.value_json for row in explain(desk.load({}))}["notify_urls"] == "[]"
