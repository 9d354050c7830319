"""Every path under ``.llm_loop`` has a name, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """Name the files of one workspace. ``root`` is absolute."""

    root: Path

    @property
    def loop(self) -> Path:
        """The loop's own folder."""
        return self.root / ".llm_loop"

    @property
    def state(self) -> Path:
        return self.loop / "state.json"

    @property
    def history(self) -> Path:
        return self.loop / "history.jsonl"

    @property
    def history_index(self) -> Path:
        """What the history adds up to; made anew from it where it is missing."""
        return self.loop / "history_index.json"

    @property
    def logs(self) -> Path:
        return self.loop / "logs"

    @property
    def events(self) -> Path:
        return self.logs / "events.jsonl"

    @property
    def cycle_summaries(self) -> Path:
        return self.logs / "cycle_summaries.jsonl"

    @property
    def heartbeat(self) -> Path:
        return self.logs / "daemon_heartbeat.json"

    @property
    def daemon_log(self) -> Path:
        """What a detached daemon prints."""
        return self.logs / "daemon.log"

    @property
    def artifacts(self) -> Path:
        return self.loop / "artifacts"

    @property
    def workpad(self) -> Path:
        return self.artifacts / "workpad.md"

    @property
    def mentor_notes(self) -> Path:
        return self.artifacts / "mentor_notes.md"

    @property
    def shared_todo(self) -> Path:
        return self.artifacts / "shared_todo.md"

    @property
    def storyline(self) -> Path:
        return self.artifacts / "storyline.md"

    @property
    def leaderboard_json(self) -> Path:
        return self.artifacts / "leaderboard.json"

    @property
    def leaderboard_markdown(self) -> Path:
        return self.artifacts / "leaderboard.md"

    @property
    def final_test_result(self) -> Path:
        """The chosen run's score on the sealed test rows."""
        return self.artifacts / "final_test_result.json"

    @property
    def kept_versions(self) -> Path:
        """Markdown as it stood before the loop replaced it, kept for a day."""
        return self.loop / "kept"

    @property
    def runs(self) -> Path:
        return self.loop / "runs"

    @property
    def calls(self) -> Path:
        """Model calls: one folder each."""
        return self.loop / "calls"

    @property
    def jobs(self) -> Path:
        """Slow work of the loop's own children: one folder each, while it is done."""
        return self.loop / "jobs"

    @property
    def versions(self) -> Path:
        """Code versions of the training repository, by content."""
        return self.loop / "versions"

    @property
    def checkouts(self) -> Path:
        """Copies of a code version in which a worker thinks and a run runs: one folder each."""
        return self.loop / "checkouts"

    @property
    def inbox(self) -> Path:
        """Requests of command-line verbs to the daemon."""
        return self.loop / "inbox"

    @property
    def autofix_configs(self) -> Path:
        """Copies of config files in which a repair changed values."""
        return self.loop / "autofix_configs"

    @property
    def model_sources(self) -> Path:
        """Source repositories that repairs have cloned."""
        return self.loop / "model_sources"

    @property
    def repairs(self) -> Path:
        """What takes installs back: a record each, with the packages that it replaced."""
        return self.loop / "repairs"

    @property
    def instance_lock(self) -> Path:
        return self.loop / "daemon.lock"

    @property
    def stop_daemon(self) -> Path:
        return self.loop / "STOP_DAEMON"

    @property
    def stop_current_run(self) -> Path:
        return self.loop / "STOP_CURRENT_RUN"

    @property
    def pause(self) -> Path:
        return self.loop / "PAUSE"

    @property
    def finish_up(self) -> Path:
        return self.loop / "FINISH_UP.json"

    @property
    def codex_home(self) -> Path:
        return self.loop / "codex_home"

    def run(self, run_id: str) -> Path:
        """The folder of one run."""
        return self.runs / run_id

    def attempt(self, run_id: str, attempt: int) -> Path:
        """The folder of one attempt: what a command calls ``{run_dir}``."""
        return self.run(run_id) / f"attempt-{attempt}"

    def checkout(self, checkout_id: str) -> Path:
        """The folder of one checkout."""
        return self.checkouts / checkout_id

    def call(self, call_id: str) -> Path:
        """The folder of one model call."""
        return self.calls / call_id
