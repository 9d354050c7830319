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
    "tests/contract/test_outside_file.py",
    "tests/contract/test_paths.py",
    "tests/contract/test_sealed.py",
    # pip takes seconds a call under Wine: of what installs a small sample
    "tests/cycle/procedure/test_config_patch.py::test_the_copy_of_a_weird_place_is_one_word_of_the_command",
    "tests/cycle/procedure/test_config_patch.py::test_a_command_of_powershell_is_read_as_such",
    "tests/cycle/procedure/test_people_desk.py",
    "tests/cycle/test_asked_jobs.py",
    "tests/cycle/test_clock_watch.py",
    "tests/cycle/test_code_jobs.py::test_two_changes_of_one_cycle_are_placed_each_for_itself",
    "tests/cycle/test_code_jobs.py::test_changed_code_whose_version_is_gone_is_refused_with_the_reason",
    "tests/cycle/test_code_watch.py::test_a_look_that_died_with_its_daemon_is_taken_at_the_next_start",
    "tests/cycle/test_device_desk.py::test_runs_are_spread_and_people_see_where",
    "tests/cycle/test_device_desk.py::test_what_a_run_uses_alone_is_its_peak_until_it_ends",
    "tests/cycle/test_hazard_desk.py",
    "tests/cycle/test_home_watch.py",
    "tests/cycle/test_inbox.py",
    "tests/cycle/test_ledger.py",
    "tests/cycle/test_ledger_snapshots.py",
    "tests/cycle/test_mended_runs.py::test_a_training_that_was_interrupted_begins_again_from_its_checkpoint",
    "tests/cycle/test_notifying.py::test_a_program_that_crashes_is_tried_three_times_with_growing_pauses_and_given_up_once",
    "tests/cycle/test_notifying.py::test_a_program_that_stalls_holds_up_no_tick",
    "tests/cycle/test_notifying.py::test_a_try_that_is_ended_at_its_deadline_is_tried_again",
    "tests/cycle/test_plan_lane.py",
    "tests/cycle/test_stops_on_a_full_disk.py",
    "tests/cycle/test_what_is_told.py",
    "tests/memory",
    "tests/notification",
    # pip takes seconds a call under Wine: of what installs a small sample
    "tests/repairs/test_allowed.py",
    "tests/repairs/test_config_copy.py",
    "tests/repairs/test_install.py::test_a_hanging_pip_is_ended_at_the_deadline_with_its_family",
    "tests/repairs/test_install.py::test_a_package_is_installed_verified_and_undone",
    "tests/report/test_report_command.py::test_the_same_files_give_the_same_bytes_but_for_the_moment",
    "tests/resetting/test_archive.py",
    "tests/runs",
    "tests/scripts/test_bootstrap.py",
    "tests/scripts/test_checkout.py::test_the_loop_is_installed_once_and_without_torch",
    "tests/scripts/test_checkout.py::test_a_moved_checkout_installs_the_loop_anew",
    "tests/scripts/test_checkout.py::test_the_trainer_gets_torch_first_then_the_rest",
    "tests/scripts/test_checkout.py::test_a_broken_install_goes_on_at_its_step",
    "tests/scripts/test_pip_run.py",
    "tests/scripts/test_steps.py",
    "tests/stages",
    "tests/system",
    "tests/test_codex_pair.py::test_codex_decides_and_the_costs_add_up",
    "tests/test_config.py",
    # a whole loop takes seconds to start there: those tests of it in which the system has a say, and which are no part
    # of the main job
    "tests/test_daemon.py::test_works_in_a_folder_with_a_hostile_name",
    "tests/test_failures.py::test_a_hung_worker_ends_at_its_deadline",
    "tests/test_failures.py::test_a_program_that_is_not_there_is_a_failed_start",
    "tests/test_failures.py::test_silence_ends_a_run_as_a_stall",
    "tests/test_failures.py::test_a_stubborn_run_is_ended_with_everything_it_started",
    "tests/test_gestures.py::test_a_killed_keeper_costs_an_attempt_and_not_the_run",
    # importing torch takes long under Wine: of the trainer a small sample
    "tests/trainer/test_command.py::test_a_training_leaves_its_files",
    "tests/trainer/test_command.py::test_every_epoch_is_a_line_on_disk_and_on_screen",
    "tests/trainer/test_command.py::test_the_result_keeps_its_contract",
    "tests/trainer/images/test_digits.py",
    "tests/trainer/images/test_image_folder.py",
    "tests/trainer/images/test_masks.py",
    "tests/trainer/test_settings_file.py",
    "tests/test_finish_up.py::test_a_night_ends_with_a_final_round_and_the_report_by_its_deadline",
    "tests/validation/test_check_child.py",
    "tests/validation/test_start.py",
    "tests/validation/test_trainer.py::test_bytes_aliases_and_a_mark",
    "tests/validation/test_trainer.py::test_a_dry_run_that_hangs_ends_with_all_it_started",
    "tests/validation/test_trainer.py::test_a_foreign_trainer_has_the_command_of_the_person",
    "tests/verbs",
    "tests/verbs/test_login.py::test_an_api_key_is_kept_by_the_real_client_and_nowhere_else",
    "tests/views",
    "tests/windows",
)

# Of these places, what is the same on every system and costs many processes, of which each takes a second there.
LEFT_OUT = (
    "tests/stages/test_diagnose.py::test_each_failure_of_the_corpus_is_told",
    "tests/stages/test_diagnose.py::test_no_failure_has_two_causes_of_equal_confidence",
    "tests/stages/test_diagnose.py::test_windows_line_ends_and_colours_change_nothing",
    "tests/verbs/test_clean.py::test_a_living_loop_is_refused_and_nothing_is_overridden",
    "tests/verbs/test_clean.py::test_an_archived_night_is_no_code",
    "tests/verbs/test_clean.py::test_nothing_begins_on_a_part_of_a_night",
    "tests/verbs/test_clean.py::test_the_machine_does_not_start_what_a_person_cleaned",
    "tests/verbs/test_data.py::test_help_and_wrong_usage_come_from_the_child",
    "tests/verbs/test_diff.py::test_no_such_run",
    "tests/verbs/test_doctor.py::test_a_decision_that_does_not_come_is_a_problem",
    "tests/verbs/test_doctor.py::test_a_missing_client_holds_codex_back",
    "tests/verbs/test_doctor.py::test_a_refused_configuration_ends_early_and_says_why",
    "tests/verbs/test_doctor.py::test_the_text_names_the_mend_and_ends_in_a_sentence",
    "tests/verbs/test_leaderboard.py::test_no_number_of_places",
    "tests/verbs/test_resolve.py::test_a_loop_tells_once_also_after_a_kill_and_anew_when_the_cause_comes_back",
    "tests/verbs/test_resolve.py::test_an_id_that_is_not_open_names_those_that_are",
    "tests/verbs/test_selftest.py::test_what_makes_no_sense_is_refused",
    "tests/verbs/test_login.py::test_without_a_client_and_a_terminal_it_says_what_to_do",
    "tests/verbs/test_show.py::test_a_run_in_the_repository_itself",
    "tests/verbs/test_show.py::test_a_run_that_was_mended_in_vain",
    "tests/verbs/test_show.py::test_a_cut_diff_says_so",
    "tests/verbs/test_show.py::test_an_unknown_run",
    "tests/verbs/test_show.py::test_a_missing_journal",
    "tests/verbs/test_start.py::test_a_preset_that_is_not_there_is_refused_with_those_that_are",
    "tests/verbs/test_start.py::test_a_file_in_the_way_is_one_line",
    "tests/verbs/test_start.py::test_a_preset_is_a_configuration",
    "tests/verbs/test_start.py::test_a_condition_that_is_none_is_refused",
    "tests/verbs/test_start.py::test_a_folder_in_which_nothing_can_start_is_refused",
    "tests/verbs/test_watch.py::test_an_attached_view_ends_when_its_daemon_is_killed",  # minutes under Wine
    "tests/memory/test_older_lines.py::test_resolved_entries_leave_the_todo_and_open_ones_stay",
    "tests/memory/test_past_runs.py::test_it_knows_what_the_whole_history_says",
    "tests/resetting/test_archive.py::test_thousands_of_files_are_moved_as_one_folder",
    "tests/stages/gate/test_commands.py::test_every_shipped_rule_refuses_something",
    "tests/stages/gate/test_commands.py::test_corpus_names_and_commands_are_unique",
    "tests/stages/test_decide.py::test_the_prompt_names_the_base_and_the_schema_is_strict",
    "tests/stages/test_decide.py::test_a_broken_answer_is_asked_for_once_more_with_its_violations",
    "tests/stages/test_decide.py::test_a_closed_port_is_told_at_once",
    "tests/stages/test_decide.py::test_a_repository_that_cannot_be_taken_leaves_a_worker_without_checkout",
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
