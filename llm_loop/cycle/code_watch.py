"""Say which code each run ran: the version of its folder at the launch, and again at the end.

The first look at a folder reads and keeps every file, so a child does it while the run trains. A small folder is
looked at in the tick from then on: that is a stat a file. A large one always has a child of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_loop.contract.run import Run
from llm_loop.cycle.checkouts import code_rules
from llm_loop.errors import LoopError
from llm_loop.system.jobs import JobOutcome
from llm_loop.versions import jobs

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context

LAUNCH, END = "launch", "end"
SMALL_FILES = 300
_DEADLINE_S = 120.0
_PATIENCE_S = 5.0
_MODULE = "llm_loop.versions"


@dataclass(kw_only=True)
class _Look:
    """Hold one look at a run's code: ``began`` is the version it was launched with, where that is known.

    ``outcome`` is what the child came to, for as long as that is not journaled. ``is_late``: a daemon died in between.
    """

    run_id: str
    attempt: int
    moment: str
    tree: Path
    began: str | None
    is_late: bool = False
    asked_s: float | None = None
    outcome: JobOutcome | None = None


class CodeWatch:
    """Take code versions for runs, and journal them as they are known."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._small: set[Path] = set()
        self._open: dict[str, _Look] = {}

    def look(self, run: Run, moment: str) -> None:
        """Take the version of the folder that a run runs in; it is journaled now or within a few seconds.

        A run in a checkout began with the version that its decision made.
        """
        tree = self.folder_of(run)
        if run.code.place is not None if moment == LAUNCH else run.code.version_at_end is not None:
            return
        began = run.code.version
        self._begin(_Look(run_id=run.run_id, attempt=len(run.attempts), moment=moment, tree=tree, began=began))

    def recover(self) -> None:
        """Look, later than it should be, at the code of ended runs whose look an earlier daemon did not finish."""
        for run_id, due in self._context.ledger.state.code_looks.items():
            place = due["checkout"]
            tree = self._context.config.training_repo_root if place is None else Path(place)
            look = _Look(run_id=run_id, attempt=due["attempt"], moment=END, tree=tree, began=due["began"], is_late=True)
            self._begin(look)

    def _begin(self, look: _Look) -> None:
        question = self._question(look.tree, look.began if look.moment == END else None)
        if (answer := self._at_once(look.tree, question)) is not None:
            self._journal(look, answer["version"], None)
            return
        name = f"code-{look.run_id}-{look.moment}"
        if name not in self._open:
            self._context.jobs.open(name, _MODULE, question, _DEADLINE_S)
            self._open[name] = look

    def is_pending(self, run: Run, now_s: float) -> bool:
        """Tell whether the version that the run was launched with is still being taken, for some seconds at most."""
        look = self._open.get(f"code-{run.run_id}-{LAUNCH}")
        if look is None:
            return False
        look.asked_s = now_s if look.asked_s is None else look.asked_s
        return now_s - look.asked_s < _PATIENCE_S

    @property
    def is_busy(self) -> bool:
        """Whether a look is going on."""
        return bool(self._open)

    def folder_of(self, run: Run) -> Path:
        """Return the folder whose code a run runs."""
        if run.code.place is not None:
            return Path(run.code.place["checkout"])
        return self._context.config.training_repo_root

    def version_now(self, run: Run) -> str | None:
        """Return the version of a run's folder now, as far as the run's own files go; None: a child has to look."""
        tree = self.folder_of(run)
        answer = self._at_once(tree, self._question(tree, run.code.version))
        return None if answer is None else str(answer["version"])

    def _question(self, tree: Path, began: str | None) -> dict[str, Any]:
        """Return a job that takes the version of a folder, or compares it with what a run began with."""
        asked = {"job": "take"} if began is None else {"job": "compare", "version": began}
        return (
            code_rules(self._context.config, self._context.paths)
            | {"schema_version": 1, "repository": str(tree)}
            | asked
        )

    def _at_once(self, tree: Path, question: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer of a job on a small folder; None where a child has to look."""
        if tree not in self._small:
            return None
        try:
            return jobs.take(question) if question["job"] == "take" else jobs.compare(question)
        except (LoopError, OSError):
            self._small.discard(tree)
            return None

    def tick(self, now_s: float) -> None:
        """Journal the versions that children have taken meanwhile."""
        for name, look in list(self._open.items()):
            look.outcome = look.outcome or self._context.jobs.take(name, now_s)
            if look.outcome is None:
                continue
            answer: Any = look.outcome.answer or {}
            why = look.outcome.why or answer.get("refused")
            if why is None and answer.get("files", SMALL_FILES + 1) <= SMALL_FILES:
                self._small.add(look.tree)
            self._journal(look, answer.get("version"), why)
            del self._open[name]

    def _journal(self, look: _Look, version: str | None, why: str | None) -> None:
        fields: dict[str, Any] = {"run_id": look.run_id, "attempt": look.attempt, "moment": look.moment}
        if look.moment == END and look.began is not None and version is not None:
            fields |= {"changed": version != look.began, "began": look.began}
        if look.is_late:
            fields["late"] = True
        self._context.ledger.record("code_version", **fields, version=version, why=why)
