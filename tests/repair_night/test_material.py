"""The material of the night by itself: each decision fails as it says, and its mend, done by hand, lets it train."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_loop.config import Config, load_config
from llm_loop.contract.mend import Flag, Mend, MendKind, Phase
from llm_loop.repairs.command_change import config_in, with_config
from llm_loop.repairs.config_copy import write_copy
from llm_loop.repairs.declared import declared_requirements
from llm_loop.stages.diagnose import FailureEvidence, diagnose
from llm_loop.stages.repair import RunFacts, next_mend
from llm_loop.system.processes import EndCause
from tests.conftest import REPOSITORY
from tests.repair_night.cases import DECISIONS, FAILING, FLAGGED, PLAIN, REPAIRED, Case, the_night
from tests.repair_night.material import Scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not there"),
    pytest.mark.skipif(os.name == "nt", reason="the commands are read as bash reads them"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("night"))
    made.make(the_night())
    yield made


class ByHand:
    """Run a decision's command as the loop does, diagnose it, and mend it with the loop's own parts."""

    def __init__(self, scene: Scene, case: Case, folder: Path) -> None:
        self.scene, self.case, self.folder = scene, case, folder
        self.repo = scene.root / "repo"
        self.config: Config = load_config(scene.root / "config" / "daemon_config.json", scene.root, {})
        self.command = case.command
        self.tries = 0

    def run(self) -> subprocess.CompletedProcess[str]:
        self.tries += 1
        attempt = self.folder / f"attempt-{self.tries}"
        attempt.mkdir(parents=True)
        environ = os.environ | {"LLM_LOOP_RUN_DIR": str(attempt), "PATH": f"{self.scene.python.parent}:/usr/bin:/bin"}
        argv = ["bash", "-c", self.command]
        return subprocess.run(argv, cwd=self.repo, env=environ, capture_output=True, text=True, check=False)

    def judged(self, done: subprocess.CompletedProcess[str]) -> tuple[str, Mend | Flag | None]:
        """Return the cause of a failure and what is to be done about it."""
        evidence = FailureEvidence(
            ending=EndCause.EXITED, exit_code=done.returncode, stderr=done.stderr, stdout=done.stdout
        )
        diagnosis = diagnose(evidence)
        facts = RunFacts(
            phase=Phase.EXECUTION,
            command=self.command,
            shell="bash",
            params=self._params(),
            declared=declared_requirements(self.repo),
        )
        return diagnosis.cause.value, next_mend(diagnosis, facts, self.config)

    def _params(self) -> dict[str, Any] | None:
        config = config_in(self.command, "bash")
        if config is None:
            return None
        value = yaml.safe_load((self.repo / config.value).read_text(encoding="utf-8"))
        return {f"{section}.{key}": one for section, keys in value.items() for key, one in keys.items()}

    def carry_out(self, mend: Mend) -> dict[str, Any] | None:
        """Do a mend; return the answer of the child that installed, None where none did."""
        if mend.kind in (MendKind.INSTALL_PACKAGES, MendKind.CLONE_SOURCE):
            return self._answer(mend)
        self.command = mend.command or self.command
        if mend.changes:
            copy = self.folder / "copy.yaml"
            assert mend.config_path is not None
            write_copy(self.repo / mend.config_path, copy, mend.changes)
            changed = with_config(self.command, "bash", str(copy))
            assert changed is not None
            self.command = changed
        return None

    def _answer(self, mend: Mend) -> dict[str, Any]:
        request: dict[str, Any] = {
            "act": "install",
            "python": str(self.scene.python),
            "requirements": list(mend.packages),
            "import_names": [mend.subject],
            "allow_source": False,
            "deadline_s": 60,
            "log": str(self.folder / "pip.log"),
            "record": str(self.folder / "record.json"),
        }
        if mend.clone is not None:
            keys = ("repo", "ref", "subdir", "editable")
            request |= {key: getattr(mend.clone, key) for key in keys} | {"act": "clone", "name": mend.subject}
            places = {"base": self.repo, "sources": self.folder / "sources", "clone_log": self.folder / "clone.log"}
            request |= {key: str(place) for key, place in places.items()}
        (self.folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        module = "llm_loop.repairs.clone" if mend.clone is not None else "llm_loop.repairs.install"
        environ = self.scene.environ(dict(os.environ)) | {"PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, "-X", "utf8", "-m", module, str(self.folder)], env=environ, check=True)
        answer: dict[str, Any] = json.loads((self.folder / "answer.json").read_text(encoding="utf-8"))
        return answer


def test_the_night_is_as_long_and_as_bad_as_it_says() -> None:
    night = the_night()
    assert len(night) == DECISIONS == len({case.label for case in night}) == len({case.command for case in night})
    assert len(FLAGGED) * 3 >= DECISIONS and len(FAILING) < DECISIONS
    causes = [(case.cause, case.subject) for case in FLAGGED]
    assert len(causes) == len(set(causes)), "each is a call of its own"


@pytest.mark.parametrize(
    "case", [case for case in REPAIRED if "--pause" not in case.command], ids=lambda case: case.label
)
def test_what_can_be_repaired_fails_and_trains_after_its_mend(scene: Scene, case: Case, tmp_path: Path) -> None:
    hand = ByHand(scene, case, tmp_path)
    failed = hand.run()
    assert failed.returncode != 0
    cause, mend = hand.judged(failed)
    assert cause == case.cause and isinstance(mend, Mend), mend
    assert ((mend.kind.value,), mend.subject) == (case.mends, case.subject)
    answer = hand.carry_out(mend)
    assert answer is None or answer["state"] == "installed", answer
    done = hand.run()
    assert done.returncode == 0 and "trained" in done.stdout, done.stderr
    assert (tmp_path / "attempt-1" / "starts.jsonl").exists(), "the failing start was noted too"


@pytest.mark.parametrize("case", [case for case in FLAGGED if not case.edits], ids=lambda case: case.label)
def test_what_cannot_be_repaired_is_told_in_useful_words(scene: Scene, case: Case, tmp_path: Path) -> None:
    hand = ByHand(scene, case, tmp_path)
    failed = hand.run()
    assert failed.returncode != 0
    cause, found = hand.judged(failed)
    assert cause == case.cause
    if not case.mends:
        assert isinstance(found, Flag) and case.failure in found.failure and case.to_do in found.what_to_do, found
        return
    assert isinstance(found, Mend)
    before = scene.installed()
    answer = hand.carry_out(found)
    assert answer is not None
    if case.label == "package-of-nowhere":
        assert answer["state"] in ("failed", "refused") and scene.installed() == before, answer
        return
    assert answer["state"] == "installed"
    again = hand.run()
    assert again.returncode != 0 and case.label in ("half-a-package", "chain-of-modules")
    assert not scene.trap.exists() and scene.precious.is_dir()


def test_a_plain_one_trains(scene: Scene, tmp_path: Path) -> None:
    done = ByHand(scene, PLAIN[0], tmp_path).run()
    assert done.returncode == 0 and (tmp_path / "attempt-1" / "metrics.jsonl").exists()
