"""The worker's decision: exactly one action a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract import schemas

SCHEMA_VERSION = 1


class Action(StrEnum):
    """What a decision does."""

    RUN_COMMAND = "run_command"
    WAIT = "wait"
    STOP_CURRENT_RUN = "stop_current_run"
    SHUTDOWN_DAEMON = "shutdown_daemon"


class IdeaCategory(StrEnum):
    """The strategy dimension that an idea belongs to (seven, and ``other``)."""

    AUGMENTATION = "augmentation"
    PREPROCESSING = "preprocessing"
    DATA_SAMPLING = "data_sampling"
    LOSS = "loss"
    MODEL_ARCH = "model_arch"
    OPTIMIZATION = "optimization"
    EVALUATION = "evaluation"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """Hold what a decision adds to the workpad and the shared TODO."""

    todo_new: tuple[str, ...] = ()
    notes_update: str = ""
    data_exploration_update: str = ""
    resolve_shared_todo_ids: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "todo_new": list(self.todo_new),
            "notes_update": self.notes_update,
            "data_exploration_update": self.data_exploration_update,
            "resolve_shared_todo_ids": list(self.resolve_shared_todo_ids),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """Hold a config file that is written into the run's folder."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Hold one change of code: a whole new text, or one text for another."""

    path: str
    new_text: str | None = None
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Hold a decision as it was made; nothing downstream rewrites it."""

    action: Action
    rationale: str
    command: str = ""
    run_label: str = ""
    idea_category: IdeaCategory = IdeaCategory.OTHER
    monitor_seconds: int = 300
    stop_patterns: tuple[str, ...] = ()
    housekeeping: Housekeeping = Housekeeping()
    working_folder: str | None = None
    builds_on: tuple[str, ...] = ()
    target_run_id: str | None = None
    run_files: tuple[RunFile, ...] | None = None
    edits: tuple[Edit, ...] | None = None
    install_packages: tuple[str, ...] | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, value: Any, subject: str = "decision") -> Self:
        """Check ``value`` against the schema and build the decision. Raises ContractError."""
        schemas.check("decision", value, subject)
        fields = dict(value)
        for name in ("stop_patterns", "builds_on"):
            fields[name] = tuple(fields[name])
        fields["action"] = Action(fields["action"])
        fields["idea_category"] = IdeaCategory(fields["idea_category"])
        kept = fields["housekeeping"]
        fields["housekeeping"] = Housekeeping(
            todo_new=tuple(kept["todo_new"]),
            notes_update=kept["notes_update"],
            data_exploration_update=kept["data_exploration_update"],
            resolve_shared_todo_ids=tuple(kept["resolve_shared_todo_ids"]),
        )
        if fields["run_files"] is not None:
            fields["run_files"] = tuple(RunFile(**entry) for entry in fields["run_files"])
        if fields["edits"] is not None:
            fields["edits"] = tuple(Edit(**entry) for entry in fields["edits"])
        if fields["install_packages"] is not None:
            fields["install_packages"] = tuple(fields["install_packages"])
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every key of the schema in it."""
        return {
            "schema_version": self.schema_version,
            "action": self.action.value,
            "rationale": self.rationale,
            "command": self.command,
            "run_label": self.run_label,
            "idea_category": self.idea_category.value,
            "monitor_seconds": self.monitor_seconds,
            "stop_patterns": list(self.stop_patterns),
            "housekeeping": self.housekeeping.to_json(),
            "working_folder": self.working_folder,
            "builds_on": list(self.builds_on),
            "target_run_id": self.target_run_id,
            "run_files": None
            if self.run_files is None
            else [{"name": file.name, "text": file.text} for file in self.run_files],
            "edits": None
            if self.edits is None
            else [{"path": e.path, "new_text": e.new_text, "old": e.old, "new": e.new} for e in self.edits],
            "install_packages": None if self.install_packages is None else list(self.install_packages),
        }
