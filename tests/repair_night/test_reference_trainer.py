"""Real torch and real segmentation models under the loop: unknown names fall back, a batch too large is halved.

The trainings run in the training environment: ``.venv-train`` of this checkout, or the Python that the environment
variable TEST_TRAIN_PYTHON names. It is not changed: nothing here is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, command_line, make_workspace
from tests.loop_process import LoopProcess
from tests.repair_night.cases import Case, Ends
from tests.repair_night.claims import (
    every_decision_is_accounted_for,
    nothing_went_wrong_in_the_loop,
    the_cycle_tells_of_the_repair,
    what_can_be_repaired_is_repaired,
)
from tests.repair_night.material import HERE, Scene
from tests.repair_night.night import until_closed
from tests.repair_night.story import Story

TRAIN_PYTHON = Path(os.environ.get("TEST_TRAIN_PYTHON", REPOSITORY / ".venv-train" / "bin" / "python"))
MEGABYTES = 650
"""Beyond the libraries a batch of 128 takes 530, one of 256 takes 800."""
WRAPPER = """\
#!/bin/sh
if [ "$1" = -m ] && [ "$2" = llm_loop.trainer ]; then
    shift 2
    exec {python} {limited} {megabytes} "$@"
fi
exec {python} "$@"
"""
TRAINER = "python -m llm_loop.trainer --output-dir {run_dir} --config configs"
CASES = [
    Case(
        label="model-of-a-paper",
        command=f"{TRAINER}/named.yaml",
        ends=Ends.REPAIRED,
        cause="unknown_model",
        phase="validation",
        subject="unet_resnet34",
        mends=("model_fallback",),
    ),
    Case(
        label="encoder-of-a-paper",
        command="python smp_training.py --config configs/smp.yaml",
        ends=Ends.REPAIRED,
        cause="unknown_model",
        phase="execution",
        subject="resnet9000",
        mends=("model_fallback",),
    ),
    Case(
        label="batch-of-a-paper",
        command=f"{TRAINER}/large.yaml",
        ends=Ends.REPAIRED,
        cause="host_out_of_memory",
        phase="execution",
        mends=("halve_batch",),
    ),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of this kind for one process"),
    pytest.mark.skipif(not TRAIN_PYTHON.exists(), reason="there is no training environment"),
]


def make_the_workspace(scene: Scene) -> None:
    """Make a workspace whose training Python starts the reference trainer with a limit of memory."""
    wrapper = scene.folder / "bin" / "python"
    wrapper.parent.mkdir()
    text = WRAPPER.format(python=TRAIN_PYTHON, limited=HERE / "limited_trainer.py", megabytes=MEGABYTES)
    wrapper.write_text(text, encoding="utf-8")
    wrapper.chmod(0o755)
    make_workspace(
        scene.root,
        train_python_exe=str(wrapper),
        worker_command=command_line(HERE / "worker.py"),
        fallback_planner=False,
        min_free_disk_mb=1,
        auto_repair_model_fallback_map={"unet_resnet34": "small_cnn", "resnet9000": "resnet18"},
    )
    decisions = json.dumps([case.decision() for case in CASES])
    (scene.root / "config" / "decisions.json").write_text(decisions, encoding="utf-8")
    repo = scene.root / "repo"
    rooms = ("trainer", "contract", "system")  # this checkout's own, whatever that environment has
    for room in rooms:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "llm_loop" / room, repo / "llm_loop" / room, ignore=ignored)
    for name in ("__init__.py", "errors.py"):
        shutil.copy(REPOSITORY / "llm_loop" / name, repo / "llm_loop" / name)
    shutil.copy(HERE / "smp_training.py", repo / "smp_training.py")
    _write_configs(repo / "configs")


def _write_configs(folder: Path) -> None:
    folder.mkdir()
    digits = (REPOSITORY / "config" / "trainer" / "digits_fast.yaml").read_text(encoding="utf-8")
    short = digits.replace("epochs: 40", "epochs: 1")
    named = short.replace("name: small_cnn", "name: unet_resnet34   # the paper's")
    large = short.replace("image_size: 8 ", "image_size: 96 ").replace("batch_size: 32", "batch_size: 256   # much")
    assert short != digits and named != short and "image_size: 96" in large and "# much" in large
    (folder / "named.yaml").write_text(named, encoding="utf-8")
    (folder / "large.yaml").write_text(large, encoding="utf-8")
    smp = "model:\n  arch: Unet\n  encoder_name: resnet9000   # larger than any\n"
    (folder / "smp.yaml").write_text(smp, encoding="utf-8")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    scene = Scene(tmp_path_factory.mktemp("torch"))
    make_the_workspace(scene)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    with LoopProcess(scene.root, environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}) as loop:
        until_closed(loop, len(CASES))
    return Story(scene, CASES)


@pytest.mark.parametrize(
    "claim",
    [
        every_decision_is_accounted_for,
        what_can_be_repaired_is_repaired,
        the_cycle_tells_of_the_repair,
        nothing_went_wrong_in_the_loop,
    ],
    ids=lambda claim: claim.__name__,
)
def test_what_real_libraries_refuse_is_repaired(story: Story, claim: object) -> None:
    assert callable(claim)
    wrong = claim(story)
    assert not wrong, "\n".join(wrong)


def test_the_batch_was_halved_and_the_whole_kept(story: Story) -> None:
    (run,) = [run for run in story.runs.values() if run.label == "batch-of-a-paper"]
    changes = run.mends[0].intended["mend"]["changes"]
    assert changes == {"training.batch_size": 128, "training.accumulate_steps": 2}
    params = run.ended[-1]["row"]["result"]["params"]
    assert (params["training.batch_size"], params["training.accumulate_steps"]) == (128, 2)
    (copy,) = (story.paths.loop / "autofix_configs").glob("*batch-of-a-paper*.yaml")
    assert "# much" in copy.read_text(encoding="utf-8")


def test_the_trainer_itself_is_that_of_this_checkout(story: Story) -> None:
    argv = [str(story.scene.folder / "bin" / "python"), "-c", "import llm_loop; print(llm_loop.__file__)"]
    done = subprocess.run(argv, cwd=story.scene.root / "repo", capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(story.scene.root)
