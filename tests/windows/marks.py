"""Which tests every check runs on Windows Python too, and the mark of those that cannot hold under Wine."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable

import pytest

# What meets the operating system: files, processes, pipes, paths, code pages. Of what only computes there is a sample
# here, and all of it in a run of the whole suite. A folder, a file, or one test; a test marked `codex` counts only
# where it is named itself: each call of the real client takes two to nine seconds there.
ON_WINDOWS = (
    "tests/agents/test_codex_binary.py",
    "tests/agents/test_codex_command.py",
    "tests/agents/test_codex_home.py",
    "tests/agents/test_planner.py",
    "tests/agents/test_sandbox_trial.py",
    "tests/agents/test_sandbox_trial.py::test_the_sandboxes_of_windows",
    "tests/agents/test_sandbox_trial.py::test_a_client_that_hangs_is_ended_and_a_missing_one_named",
    "tests/contract/test_command_line.py",
    "tests/contract/test_outside_file.py",
    "tests/contract/test_paths.py",
    "tests/contract/test_run.py",
    "tests/cycle",
    "tests/memory",
    "tests/runs",
    "tests/scripts/test_bootstrap.py",
    "tests/scripts/test_checkout.py",
    "tests/scripts/test_pip_run.py",
    "tests/scripts/test_steps.py",
    "tests/stages",
    "tests/system",
    "tests/test_codex_night.py::test_a_night_with_a_failure_in_every_third_call",
    "tests/test_codex_pair.py::test_codex_decides_and_the_costs_add_up",
    "tests/test_codex_pair.py::test_a_change_arrives_whether_codex_may_write_or_not",
    "tests/test_codex_pair.py::test_the_mentor_challenges_with_a_replacement_of_its_own_code",
    "tests/test_codex_pair.py::test_a_call_in_flight_outlives_the_daemon_and_is_paid_once",
    "tests/test_codex_pair.py::test_a_hanging_call_leaves_nothing_when_its_daemon_is_gone",
    "tests/test_codex_pair.py::test_no_client_is_said_and_the_planner_goes_on",
    "tests/test_config.py",
    # a whole loop takes seconds to start there: those tests of it in which the system has a say
    "tests/test_daemon.py::test_runs_one_experiment_after_another",
    "tests/test_daemon.py::test_works_in_a_folder_with_a_hostile_name",
    "tests/test_daemon.py::test_two_slots_train_at_once",
    "tests/test_daemon.py::test_a_hung_worker_ends_at_its_deadline",
    "tests/test_daemon.py::test_a_program_that_is_not_there_is_a_failed_start",
    "tests/test_daemon.py::test_foreign_and_odd_trainers_have_results",
    "tests/test_daemon.py::test_silence_ends_a_run_as_a_stall",
    "tests/test_daemon.py::test_a_stubborn_run_is_ended_with_everything_it_started",
    "tests/test_daemon.py::test_stop_returns_when_the_loop_is_gone",
    "tests/test_daemon.py::test_stop_can_leave_the_run_and_the_next_start_adopts_it",
    "tests/test_daemon.py::test_a_killed_daemon_loses_nothing_and_starts_nothing_twice",
    "tests/test_daemon.py::test_a_killed_keeper_costs_an_attempt_and_not_the_run",
    "tests/test_daemon.py::test_a_second_daemon_says_who_holds_the_workspace",
    "tests/test_daemon.py::test_a_changed_configuration_is_taken_up_and_a_broken_one_is_not",
    "tests/test_daemon.py::test_a_hand_edited_todo_is_journaled_whole_and_kept",
    "tests/test_daemon.py::test_secrets_stay_out_of_every_file",
    "tests/test_queue.py::test_a_persons_run_starts_before_what_is_planned_after_it",
    # importing torch takes long under Wine: of the trainer a small sample
    "tests/trainer/test_command.py::test_a_training_leaves_its_files",
    "tests/trainer/test_command.py::test_every_epoch_is_a_line_on_disk_and_on_screen",
    "tests/trainer/test_command.py::test_the_result_keeps_its_contract",
    "tests/trainer/test_digits.py",
    "tests/trainer/test_image_folder.py",
    "tests/trainer/test_settings_file.py",
    "tests/verbs",
    "tests/verbs/test_login.py::test_an_api_key_is_kept_by_the_real_client_and_nowhere_else",
    "tests/views",
    "tests/windows",
)

# Of these places, what is the same on every system and costs calls of the real client.
LEFT_OUT = (
    "tests/stages/test_decide.py::test_the_prompt_names_the_base_and_the_schema_is_strict",
    "tests/stages/test_decide.py::test_talk_before_the_answer_is_no_answer",
    "tests/stages/test_decide.py::test_json_in_a_fence_or_in_prose_is_taken",
    "tests/stages/test_decide.py::test_an_answer_broken_twice_is_a_failure_of_the_schema",
    "tests/stages/test_decide.py::test_no_answer_twice_is_said_so",
    "tests/stages/test_decide.py::test_a_failure_of_the_second_ask_is_the_failure",
    "tests/stages/test_decide.py::test_a_failure_is_told_by_its_cause",
    "tests/stages/test_decide.py::test_tokens_of_a_turn_that_failed_are_counted",
)


def mark_for_windows(items: Iterable[pytest.Item]) -> None:
    """Give the mark `windows` to the collected tests that ON_WINDOWS names."""
    for item in items:
        if runs_on_windows(item.nodeid, real_codex=item.get_closest_marker("codex") is not None):
            item.add_marker(pytest.mark.windows)


def runs_on_windows(test: str, *, real_codex: bool = False) -> bool:
    """Tell whether every check runs a test on Windows; ``real_codex`` is true for one with the mark `codex`."""
    name = test.replace("\\", "/")
    ends = ("[",) if real_codex else ("/", "::", "[")
    return _is_named(name, ON_WINDOWS, ends) and not _is_named(name, LEFT_OUT, ("[",))


def _is_named(name: str, places: tuple[str, ...], ends: tuple[str, ...]) -> bool:
    return name in places or any(name.startswith(tuple(place + end for end in ends)) for place in places)


def not_under_wine(reason: str) -> pytest.MarkDecorator:
    """Mark one test that holds on Windows and cannot under Wine; the reason says what Wine lacks."""
    return pytest.mark.skipif(under_wine(), reason=f"not under Wine: {reason}")


def under_wine() -> bool:
    """Tell whether this Windows is Wine, which says so in a function of its ntdll."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
