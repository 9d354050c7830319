"""Thirty decisions: eleven cannot train, seven need a repair; one night in peace, one with a loop that dies.

The whole loop works on real things: a second virtual environment, a folder of wheels, a git repository, limits of
memory, broken edits. ``python -m tests.repair_night.table --run FOLDER`` shows the same night as a table.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from tests.repair_night.claims import CLAIMS
from tests.repair_night.night import Night
from tests.repair_night.story import Story
from tests.repair_night.table import table_of

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not there"),
    pytest.mark.skipif(os.name == "nt", reason="the commands are read as bash reads them"),
]


@pytest.fixture(scope="module")
def quiet_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story of a night in which nobody kills anything; its loop was asked to end when all was done."""
    night = Night(tmp_path_factory.mktemp("quiet"))
    with night.loop:
        night.live()
        assert night.lives(), night.loop.process.communicate()
        night.loop.interrupt()
        code, _, err = night.loop.finish()
        assert code == 0 and "Traceback" not in err, err
    story = Story(night.scene, night.cases)
    print(table_of(story))
    yield story


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_in_a_quiet_night(quiet_night: Story, claim: Callable[[Story], list[str]]) -> None:
    wrong = claim(quiet_night)
    assert not wrong, "\n".join(wrong)


def _spoilt(story: Story, claim: str) -> Story:
    """Return the story with one thing in it that breaks a claim."""
    spoilt = copy.deepcopy(story)
    run_of = {run.label: run for run in spoilt.runs.values()}
    match claim:
        case "every_decision_is_accounted_for":
            del spoilt.runs[run_of["plain-1"].run_id]
        case "what_just_trains_trains":
            run_of["plain-1"].attempts *= 2
        case "what_can_be_repaired_is_repaired":
            run_of["wide-model"].mends.clear()
        case "what_cannot_is_flagged_once_and_usefully":
            run_of["exotic-model"].calls *= 2
        case "the_environment_is_as_it_was_and_the_installs":
            run_of["half-a-package"].mends[0].undone = False
        case "nothing_was_started_twice_alike":
            noted = spoilt.starts()
            noted["R0001/attempt-2"] = noted["R0001/attempt-1"]
            spoilt.starts = lambda: noted  # type: ignore[method-assign]
        case "settings_are_mended_in_a_copy":
            spoilt.paths = WorkspacePaths(story.scene.packages)
        case "the_cycle_tells_of_the_repair":
            run_of["large-batch"].closed[0]["auto_repair"] = None
        case "nothing_went_wrong_in_the_loop":
            del spoilt.events[3]
    return spoilt


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_each_claim_can_fail(quiet_night: Story, claim: Callable[[Story], list[str]]) -> None:
    assert set(claim(_spoilt(quiet_night, claim.__name__))) - set(claim(quiet_night))


@pytest.mark.slow
def test_in_a_night_of_a_dying_loop(tmp_path: Path) -> None:
    """The daemon is killed at eight moments, some of them amid an install; at the end the same claims hold."""
    night = Night(tmp_path)
    with night.loop:
        hit = night.live_dying(random.Random(15))
        assert night.lives(), night.loop.process.communicate()
    assert hit >= 1, "no install was hit: the night shows less than it says"
    story = Story(night.scene, night.cases)
    wrong = [f"{claim.__name__}: {text}" for claim in CLAIMS for text in claim(story)]
    assert not wrong, "\n".join([*wrong, table_of(story)])
