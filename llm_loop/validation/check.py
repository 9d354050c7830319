"""Check a run before it takes a slot, cheapest first: ``python -X utf8 -m llm_loop.validation.check FOLDER``.

The child reads ``FOLDER/request.json`` (``request.CheckRequest``) and writes ``FOLDER/answer.json``: ``{"checks":
[{"name", "state", "seconds", "cause", "why", "line", "details"}], "dry_run": {"exit_code", "stdout", "stderr",
"seconds"} or null}``. The first check that fails is the last one made. One that fails is sure of it; what cannot be
told is ``unknown``, and the run itself will tell. Exit code 0 in all cases; 1, with a line on stderr, for a request
that is none or a disk that does not write.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError, LoopError
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import replace_text
from llm_loop.system.folders import make_folder
from llm_loop.system.job_child import answer_job
from llm_loop.validation.code import Asked, ask
from llm_loop.validation.command import check_command
from llm_loop.validation.config_file import Config, check_config
from llm_loop.validation.dry_run import DryRun, check_dry_run
from llm_loop.validation.held import Bench
from llm_loop.validation.named_files import check_files
from llm_loop.validation.request import CheckRequest, environment_of, tokens_of
from llm_loop.validation.start import NotPlainError, Start, read_start
from llm_loop.validation.surroundings import check_data, check_room
from llm_loop.validation.verdict import State, Verdict, skipped, unknown
from llm_loop.versions.removal import remove_tree


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.validation.check", what="validation", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    asked, bench = CheckRequest.from_json(request), Bench(folder=folder.absolute())
    try:
        make_folder(bench.run_dir)
        for name, text in asked.run_files:
            replace_text(bench.run_dir / name, text, durable=False)
        return _Checks(asked, bench).made()
    finally:
        with suppress(LoopError):
            remove_tree(bench.scratch, within=bench.folder)


class _Checks:
    """Make the checks in their order; each may use what an earlier one found."""

    def __init__(self, request: CheckRequest, bench: Bench) -> None:
        self.request, self.bench = request, bench
        self.environment = environment_of(request, bench.run_dir)
        self.start: Start | None = None
        self.asked = Asked(code=skipped(""), modules=skipped(""))
        self.config = Config(verdict=skipped(""))
        self.dry = DryRun(verdict=skipped(""))

    def made(self) -> dict[str, Any]:
        """Return the answer."""
        clock, checks = SystemClock(), []
        for name, check in self._all().items():
            began = clock.monotonic()
            try:
                verdict = check()
            except (LoopError, OSError) as error:  # of ours, not of the run's
                verdict = unknown(f"the check {name} could not be made: {error}")
            checks.append(verdict.to_json(name, clock.monotonic() - began))
            if verdict.state is State.FAILED:
                break
        return {"checks": checks, "dry_run": self.dry.to_json()}

    def _all(self) -> dict[str, Callable[[], Verdict]]:
        return {
            "command": lambda: check_command(self.request, self.environment, self.bench),
            "files": self._files,
            "code": self._code,
            "modules": lambda: self.asked.modules,
            "config": self._config,
            "data": lambda: check_data(self.request, self.start, self.config.settings),
            "room": lambda: check_room(self.request),
            "dry_run": self._dry_run,
        }

    def _files(self) -> Verdict:
        request, tokens = self.request, tokens_of(self.request, self.bench.run_dir)
        try:
            self.start = read_start(request.command, request.shell, request.cwd, tokens, request.python_path)
        except (CommandError, NotPlainError) as error:
            return check_files(request, str(error), self.environment)
        return check_files(request, self.start, self.environment)

    def _code(self) -> Verdict:
        self.asked = Asked(code=skipped(""), modules=unknown("the training Python could not be asked"))
        self.asked = ask(self.request, self.start, self.environment, self.bench)
        return self.asked.code

    def _config(self) -> Verdict:
        self.config = check_config(self.start, self.asked.trainer)
        return self.config.verdict

    def _dry_run(self) -> Verdict:
        self.dry = check_dry_run(self.request, self.start, self.bench)
        return self.dry.verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
