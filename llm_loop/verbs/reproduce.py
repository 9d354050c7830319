"""``llm-loop reproduce``: run one run once more as it was, and say whether it came out the same."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from llm_loop.contract.decision import Decision, Housekeeping
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import Reproduces, Request, RequestKind, new_id
from llm_loop.errors import LoopError
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.verbs.asking import EXIT_CODES, add_timeout, ask
from llm_loop.views.output import until_closed
from llm_loop.views.reproductions import reproduction_line, reproductions_of
from llm_loop.views.run_story import RunStory, read_story
from llm_loop.views.untrusted import plain
from llm_loop.views.wording import typed


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "reproduce",
        help="Run one run once more: same configuration, code version and seed; --check says how it came out.",
        description="Queue a run once more as it was: its command, its configuration with the seed in it, and the code "
        "version that it ran, laid in a checkout where your repository is another by now. When it has ended, --check "
        "says whether it came out inside the interval of the first, and whether code, data and seed were the same.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("run", metavar="RUN", help="The run's id, such as R0007, or its label.")
    parser.add_argument("--check", action="store_true", help="Queue nothing: say how its reproductions came out.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    add_timeout(parser)
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Queue or check. Raises LoopError for a run that is not known, cannot be repeated, or is refused."""
    paths = WorkspacePaths(arguments.workspace)
    if arguments.check:
        return _check(arguments, paths)
    story = read_story(paths, arguments.run)
    request = Request(
        id=new_id(SystemClock().utc_now()),
        kind=RequestKind.QUEUE_ADD,
        decisions=(_decision(story),),
        reproduces=_code_of(story),
    )
    answer = ask(paths, request, arguments.timeout)
    name = ", ".join(answer.run_ids)
    if arguments.json:
        print(json_text({"schema_version": 1, "of": story.run_id, "run_ids": list(answer.run_ids)}, indent=2))
        return 0
    when = f"; no loop is running here: `{typed('start')}` runs it" if answer.alone else ""
    print(f"Queued: {name} runs {story.run_id} once more{when}. Later: `{typed(f'reproduce {story.run_id} --check')}`.")
    return 0


def _check(arguments: argparse.Namespace, paths: WorkspacePaths) -> int:
    with until_closed():
        found = reproductions_of(paths, arguments.run)
        if arguments.json:
            shown = [plain(asdict(one)) for one in found]
            print(json_text({"schema_version": 1, "reproductions": shown}, indent=2))
            return 0
        for one in found:
            print(reproduction_line(one))
        if not found:
            print(f"{arguments.run} was not run once more: `{typed(f'reproduce {arguments.run}')}` does that.")
    return 0


def _decision(story: RunStory) -> Decision:
    """Return what was decided, to be run as it is: its code is in its version, and it waits for nobody."""
    try:
        decision = Decision.from_json(story.decision, story.run_id)
    except LoopError as error:
        raise LoopError(f"{story.run_id} cannot be run once more: {error}") from error
    command = story.procedure.command
    mended = any(mend.get("command") for mend in story.procedure.mends)
    if mended and story.code.get("place"):
        raise LoopError(
            f"{story.run_id} was mended in a checkout of its own, which a new run does not have; "
            f"`{typed(f'export {story.run_id} DIR')}` gives its code and configuration"
        )
    return replace(
        decision,
        command=command if mended and command is not None else decision.command,
        rationale=f"Run once more as it was, by a person, to see whether {story.run_id} comes out again.",
        run_label=f"again-{story.run_id.lower()}",
        housekeeping=Housekeeping(),
        builds_on=(),
        edits=None,
        install_packages=None,
    )


def _code_of(story: RunStory) -> Reproduces:
    version = story.code.get("version")
    if not isinstance(version, str):
        raise LoopError(f"{story.run_id} has no code version: it was not launched, or its code could not be taken")
    repository = story.code.get("repository_version")
    return Reproduces(
        run_id=story.run_id, version=version, repository_version=repository if isinstance(repository, str) else None
    )
