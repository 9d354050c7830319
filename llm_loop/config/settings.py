"""Every setting as the rest of the loop sees it: one typed, frozen attribute a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from llm_loop.config.sources import Source
from llm_loop.contract.result import Direction


class RunShell(StrEnum):
    """The shell of commands that need one."""

    AUTO = "auto"
    BASH = "bash"
    SH = "sh"
    PWSH = "pwsh"
    POWERSHELL = "powershell"


class CodeIsolation(StrEnum):
    """Where a run runs."""

    AUTO = "auto"
    IN_PLACE = "in_place"
    CHECKOUT = "checkout"


class ApprovalRule(StrEnum):
    """Which staged runs wait for a person."""

    NEVER = "never"
    ALWAYS = "always"
    EDITS = "edits"


class InteractionMode(StrEnum):
    """What the mentor is for."""

    STANDARD = "standard"
    BUILDER_HEALTH_HELPER = "builder_health_helper"


class SandboxMode(StrEnum):
    """What Codex may touch."""

    AUTO = "auto"
    WORKSPACE_WRITE = "workspace-write"
    READ_ONLY = "read-only"
    DANGER_FULL_ACCESS = "danger-full-access"


class WindowsSandbox(StrEnum):
    """Which of Codex's sandboxes for Windows is used."""

    AUTO = "auto"
    ELEVATED = "elevated"
    UNELEVATED = "unelevated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSource:
    """Name a source repository to clone and install; "" = its default branch, its root folder."""

    repo: str
    ref: str = ""
    subdir: str = ""
    editable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Hold every key of ``contract/config.schema.json``, which says each one's meaning, unit and range.

    Paths are absolute, maps read-only (repair maps with lower-case names). ``sources`` tells where each value came
    from. ``notices`` are sentences for people: keys that this version does not act on yet, and
    variables ``LLM_LOOP_...`` that name no key.
    """

    # the loop
    run_id: str
    workspace_root: Path
    python_exe: Path | None
    run_shell: RunShell
    daemon_poll_seconds: int
    cycle_poll_seconds: int
    default_monitor_seconds: int
    max_monitor_seconds: int
    plan_ahead: bool
    rechallenge_on_done: bool
    watch_interval_seconds: int
    min_free_disk_mb: int
    journal_rotate_mb: int
    log_max_mb: int | None

    # the training repository and its metric
    training_repo_root: Path
    train_python_exe: Path
    data_source_root: Path | None
    sealed_root: Path
    code_isolation: CodeIsolation
    link_folders: tuple[str, ...]
    output_folders: tuple[str, ...]
    config_globs: tuple[str, ...]
    metrics_path: str | None
    selection_metric: str
    selection_direction: Direction
    test_command: str | None
    validate_command: str | None
    domain_images: str | None
    domain_metric: str | None
    baseline_value: float | None
    target_value: float | None
    convergence_cycles: int | None
    convergence_threshold: float
    forbidden_approaches: tuple[str, ...]
    command_policy: Path

    # the first run and the built-in planner
    force_bootstrap_if_idle: bool
    bootstrap_label: str
    bootstrap_command: str
    search_space: Path | None
    fallback_planner: bool
    planner_seed: int
    planner_timeout_seconds: float

    # runs
    max_parallel_runs: int
    devices: str | tuple[str, ...]
    stop_grace_seconds: float
    max_run_seconds: float | None
    stall_seconds: float | None
    requires_approval: ApprovalRule
    max_validation_retries: int
    max_execution_retries: int
    pause_after_success_seconds: float
    pause_after_failure_seconds: float
    pause_after_repeated_failures_seconds: float
    enable_stuck_wait_recovery: bool
    stuck_wait_recovery_cycles: int
    stale_orphan_idle_cycles: int

    # roles and the worker
    interaction_mode: InteractionMode
    mission_file: Path
    worker_mission_file: Path
    mentor_mission_file: Path
    worker_display_name: str
    mentor_display_name: str
    codex_enabled: bool
    model: str | None
    reasoning_effort: str
    web_search_mode: str
    network_access_enabled: bool
    skip_git_repo_check: bool
    sandbox_mode: SandboxMode
    windows_sandbox: WindowsSandbox
    worker_command: str | None
    codex_timeout_seconds: float
    codex_longest_rest_seconds: float
    prompt_max_chars: int
    max_calls_per_hour: int | None
    max_calls_per_night: int | None
    max_tokens_total: int | None
    price_table: Mapping[str, Mapping[str, float]]
    price_currency: str

    # the mentor
    mentor_enabled: bool
    mentor_every_n_cycles: int
    mentor_health_check_every_n_cycles: int
    mentor_force_when_stuck: bool
    mentor_challenge_streak_min_idle_cycles: int
    mentor_apply_suggestions: bool
    mentor_require_web_search: bool
    mentor_model: str | None
    mentor_reasoning_effort: str
    mentor_web_search_mode: str
    mentor_network_access_enabled: bool
    mentor_command: str | None

    # repair
    auto_repair_enabled: bool
    auto_repair_retry_on_success: bool
    auto_repair_allow_direct_module_install: bool
    auto_repair_python_exe: Path
    allowed_packages: tuple[str, ...]
    auto_repair_module_package_map: Mapping[str, tuple[str, ...]]
    auto_repair_module_alias_map: Mapping[str, tuple[str, ...]]
    auto_repair_model_package_map: Mapping[str, tuple[str, ...]]
    auto_repair_module_clone_map: Mapping[str, CloneSource]
    auto_repair_model_clone_map: Mapping[str, CloneSource]
    auto_repair_model_fallback_map: Mapping[str, str]

    # finish-up, and calls for a person
    finishup_control_file: Path
    finishup_report_script: Path
    finishup_default_minutes_left: float
    finishup_default_report_top_k: int
    notify_urls: tuple[str, ...]
    notify_command: str | None

    # how it came about
    sources: Mapping[str, Source]
    notices: tuple[str, ...]
