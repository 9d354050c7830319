"""Which tests every check runs on Windows Python too, and the mark of those that cannot hold under Wine."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable

import pytest

# What meets the operating system: files, processes, pipes, paths, code pages. Of what only computes there is a sample
# here, and all of it in a run of the whole suite. A folder, a file, or one test.
ON_WINDOWS = (
    "tests/agents/test_planner.py",
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
    # importing torch takes long under Wine: of the trainer a small sample
    "tests/trainer/test_command.py::test_a_training_leaves_its_files",
    "tests/trainer/test_command.py::test_every_epoch_is_a_line_on_disk_and_on_screen",
    "tests/trainer/test_command.py::test_the_result_keeps_its_contract",
    "tests/trainer/test_digits.py",
    "tests/trainer/test_image_folder.py",
    "tests/trainer/test_settings_file.py",
    "tests/verbs",
    "tests/views",
    "tests/windows",
)


def mark_for_windows(items: Iterable[pytest.Item]) -> None:
    """Give the mark `windows` to the collected tests that ON_WINDOWS names."""
    for item in items:
        name = item.nodeid.replace("\\", "/")
        if any(name == place or name.startswith((f"{place}/", f"{place}::", f"{place}[")) for place in ON_WINDOWS):
            item.add_marker(pytest.mark.windows)


def not_under_wine(reason: str) -> pytest.MarkDecorator:
    """Mark one test that holds on Windows and cannot under Wine; the reason says what Wine lacks."""
    return pytest.mark.skipif(under_wine(), reason=f"not under Wine: {reason}")


def under_wine() -> bool:
    """Tell whether this Windows is Wine, which says so in a function of its ntdll."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
