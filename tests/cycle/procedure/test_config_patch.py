"""Settings are changed in a copy of the config that the command names, wherever that lies; the source stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from llm_loop.contract.command_line import split_statements
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import Phase
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.procedure.facts import is_our_trainer, run_facts
from llm_loop.repairs.command_change import config_in
from llm_loop.runs.command import choose_shell
from llm_loop.stages.diagnose import diagnosis_of
from tests.cycle.procedure.bench import Bench

Open = Callable[..., Bench]
CONFIG = "train:  # how\n  batch_size: 8  # fits\n  lr: 0.1\n"


def write(path: Path, text: str = CONFIG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mended(bench: Bench, cause: Cause = Cause.HOST_OUT_OF_MEMORY) -> Run:
    """Let the staged run fail, and wait for its mend."""
    bench.attempt_fails()
    bench.is_diagnosed(cause)
    done = bench.until("mend_done", "run_ended")
    assert done["event"] == "mend_done" and done["ok"], done
    assert bench.run().state is RunState.QUEUED
    return bench.run()


def copied(run: Run, shell: str = "bash") -> Path:
    named = config_in(run.command, shell)
    assert named is not None
    return Path(named.value)


@pytest.mark.parametrize("folder", ["", "sub folder/it's"])
def test_a_config_beside_the_code(open_bench: Open, folder: str) -> None:
    bench = open_bench()
    source = write(bench.root / "repo" / folder / "configs" / "a b.yaml")
    bench.stage(command="python t.py --config 'configs/a b.yaml'", working_folder=folder or ".")
    copy = copied(mended(bench))
    assert copy.parent == bench.paths.autofix_configs
    text = copy.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["train"]["batch_size"] == 4 and "# fits" in text
    assert source.read_text(encoding="utf-8") == CONFIG


def test_a_config_in_the_runs_checkout(open_bench: Open, tmp_path: Path) -> None:
    """Its own, not the training repository's of the same name."""
    bench = open_bench()
    write(bench.root / "repo" / "c.yaml", "train: {batch_size: 2}\n")
    write(tmp_path / "checkout" / "c.yaml")
    place = {"cwd": str(tmp_path / "checkout"), "checkout": str(tmp_path / "checkout"), "checkout_id": "x"}
    place |= {"python_path": [], "command": "python t.py --config c.yaml"}
    bench.stage(command="python t.py --config c.yaml")
    bench.record("code_placed", run_id="R0001", place=place)
    copy = copied(mended(bench))
    assert yaml.safe_load(copy.read_text(encoding="utf-8"))["train"]["batch_size"] == 4


def test_a_config_that_the_decision_carries(open_bench: Open) -> None:
    bench = open_bench()
    files = [{"name": "x.yaml", "text": CONFIG}]
    bench.stage(command='python t.py --config "{run_dir}/x.yaml"', run_files=files)
    copy = copied(mended(bench))
    assert yaml.safe_load(copy.read_text(encoding="utf-8"))["train"]["batch_size"] == 4
    assert bench.run().decision["run_files"] == files


def test_one_mend_on_another_keeps_the_first(open_bench: Open) -> None:
    bench = open_bench()
    write(bench.root / "repo" / "c.yaml")
    bench.stage(command="python t.py --config c.yaml")
    first = copied(mended(bench))
    bench.attempt_fails()
    bench.is_diagnosed(Cause.DIVERGENCE)
    assert bench.until("mend_done", count=2)["ok"]
    value = yaml.safe_load(copied(bench.run()).read_text(encoding="utf-8"))
    assert value["train"] == {"batch_size": 4, "lr": 0.01} and copied(bench.run()) != first


def test_a_run_that_fails_its_validation_is_patched_before_any_attempt(open_bench: Open) -> None:
    """And is staged again: it may have to wait for a person's word."""
    bench = open_bench(auto_repair_model_fallback_map={"no_such_net": "resnet18"})
    write(bench.root / "repo" / "c.yaml", "model:\n  name: no_such_net\n")
    bench.stage(command="python t.py --config c.yaml", approval="waiting")
    bench.is_diagnosed(Cause.UNKNOWN_MODEL, model="no_such_net")
    assert bench.until("mend_done")["ok"]
    run = bench.run()
    assert (run.state, run.approval) == (RunState.STAGED, "waiting")
    assert yaml.safe_load(copied(run).read_text(encoding="utf-8")) == {"model": {"name": "resnet18"}}


def test_a_config_that_is_gone_by_now_is_a_mend_that_failed(open_bench: Open) -> None:
    bench = open_bench()
    source = write(bench.root / "repo" / "c.yaml")
    bench.stage(command="python t.py --config c.yaml")
    bench.attempt_fails()
    bench.is_diagnosed(Cause.HOST_OUT_OF_MEMORY)
    bench.until("mend_intended")
    source.unlink()
    done = bench.until("mend_done")
    assert not done["ok"] and "c.yaml" in done["outcome"]
    assert bench.until("run_ended")["state"] == "needs_human"
    assert bench.run().command == "python t.py --config c.yaml"


def test_a_config_that_the_decision_names_and_does_not_carry_fails_at_once(open_bench: Open) -> None:
    bench = open_bench()
    bench.stage(command="python t.py --config {run_dir}/x.yaml", run_files=[{"name": "x.yaml", "text": CONFIG}])
    bench.attempt_fails()
    bench.is_diagnosed(Cause.HOST_OUT_OF_MEMORY)
    bench.until("mend_intended")
    run = bench.run()
    mend = run.procedure.mends[-1].mend
    without = replace(run, decision=run.decision | {"run_files": None})
    patched = bench.desk._configs.apply(without, mend, bench.clock.monotonic())
    assert patched is not None and patched.command is None and "no file of this run" in patched.outcome


def test_a_value_in_the_command_is_changed_there(open_bench: Open) -> None:
    bench = open_bench()
    bench.stage(command="python t.py --batch-size 8 --name 'a; rm -rf b'")
    run = mended(bench)
    assert run.command == "python t.py --batch-size 4 --name 'a; rm -rf b'"
    assert not bench.paths.autofix_configs.exists()


def test_the_copy_of_a_weird_place_is_one_word_of_the_command(open_bench: Open, weird_path: Path) -> None:
    """Also where the workspace itself has quotes and blanks in its name."""
    bench = Bench(weird_path / "w")
    try:
        write(bench.root / "repo" / "c.yaml")
        bench.stage(command="python t.py --config c.yaml && echo done")
        run = mended(bench)
        (first, _) = split_statements(run.command, choose_shell(bench.context.config.run_shell))
        copy = Path(first.words[-1].text)
        assert copy.parent == bench.paths.autofix_configs and copy.is_file()
    finally:
        bench.close()


def test_a_command_of_powershell_is_read_as_such(open_bench: Open) -> None:
    bench = open_bench(run_shell="pwsh")
    write(bench.root / "repo" / "it's.yaml")
    bench.stage(command="python t.py --config 'it''s.yaml'; if ($?) { echo 'ok' }")
    run = mended(bench)
    assert yaml.safe_load(copied(run, "pwsh").read_text(encoding="utf-8"))["train"]["batch_size"] == 4
    assert run.command.endswith("; if ($?) { echo 'ok' }")


def test_the_keys_of_the_reference_trainer_are_known_for_it_alone(open_bench: Open) -> None:
    bench = open_bench()
    write(bench.root / "repo" / "c.yaml", "training:\n  batch_size: 8\n")
    ours, other = "python -m llm_loop.trainer --config c.yaml", "python -m llm_loop.trainer --config c.yaml && ls"
    assert is_our_trainer(ours, "bash") and not is_our_trainer(other, "bash")
    run = bench.stage(command=ours)
    facts = run_facts(
        bench.context, run, phase=Phase.EXECUTION, diagnosis=diagnosis_of(Cause.HOST_OUT_OF_MEMORY, None, {})
    )
    assert facts.params == {"training.batch_size": 8} and "training.accumulate_steps" in facts.known_keys
    run = mended(bench)
    value = yaml.safe_load(copied(run).read_text(encoding="utf-8"))
    assert value == {"training": {"batch_size": 4, "accumulate_steps": 2}}, "the whole batch is kept"
