"""What the fields of an answer mean, shortly; the JSON schema itself goes to the client beside the prompt."""

from __future__ import annotations

DECISION = """\
## The fields of a decision
Every field is there; what does not apply is null, "" or [].
- action: run_command, wait, stop_current_run or shutdown_daemon.
- rationale: a sentence or two on why, from the evidence.
- command: one command that asks nothing. {run_dir} in it is the run's own folder, made by the loop; outputs go there.
- working_folder: where it runs, relative to the training repository; "." is its root.
- run_label: short, says what is tried. idea_category: augmentation, preprocessing, data_sampling, loss, model_arch,
  optimization, evaluation or other.
- run_files: new configurations of this run, [{name, text}]; the command names one {run_dir}/NAME.
- edits: changes of code, [{path, new_text, old, new}]: the whole new_text, or old (found once) replaced by new.
- builds_on: ids of runs whose outcome this needs, mostly []. target_run_id: which run stop_current_run means.
- monitor_seconds: when to look in on the run. stop_patterns: at most 8 texts that end it when printed.
- install_packages: mostly null; names of pip packages that this run needs installed first, of those that the training
  repository's requirements or the configuration name.
- housekeeping: todo_new (at most 2, each saying what and why), resolve_shared_todo_ids (at most 6), notes_update and
  data_exploration_update (one line or "")."""

REVIEW = """\
## The fields of a review
- recommendation: continue or challenge. critique: opens with on_track or off_track.
- questions: at most one. mentor_notes: what the worker shall read later. todo_updates: at most one, on challenge.
- suggested_decision: null, or a whole decision that takes the place of the worker's."""

HELPER_REVIEW = """\
## The fields of a review
- recommendation: continue, or challenge when the loop's health is at risk. critique: opens with on_track or off_track.
- questions: at most one. mentor_notes: your hint, one or two lines. todo_updates: [].
- suggested_decision: null."""

LAST_WORD = "Answer now: one JSON object, nothing around it."
