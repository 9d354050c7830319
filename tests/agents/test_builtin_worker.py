"""The worker without an LLM."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from llm_loop.agents.builtin_housekeeping import add_parameter_todo
from llm_loop.agents.builtin_worker import decide
from llm_loop.agents.evidence import gather
from llm_loop.agents.search_space import SearchSpace
from llm_loop.contract.decision import Action, Decision, IdeaCategory
from llm_loop.contract.observation import Bootstrap, KnownRun, OpenTodo
from llm_loop.errors import ConfigError
from tests.agents.small_campaign import campaign, ended, observe, proposed

LABEL = re.compile(r"[a-z0-9][a-z0-9.-]{2,60}")


def _pending(decision: Decision, number: int, state: str = "running") -> KnownRun:
    return replace(ended(decision, number), state=state, value=None)


def test_the_bootstrap_command_comes_first() -> None:
    first = Bootstrap(label="digits-start", command="python train.py --fast", pending=True)
    decision = decide(observe(bootstrap=first))
    assert (decision.action, decision.command, decision.run_label) == (
        Action.RUN_COMMAND,
        first.command,
        first.label,
    )
    assert decision.working_folder == "."
    assert "baseline first" in decision.rationale.lower()


@pytest.mark.parametrize("label", ["digits-start", "digits-start-2"])
def test_a_bootstrap_under_way_is_not_started_twice(label: str) -> None:
    first = Bootstrap(label="digits-start", command="python train.py --fast", pending=True)
    under_way = replace(_pending(decide(observe()), 1), label=label, params=None)
    decision = decide(observe(bootstrap=first, active_runs=(under_way,)))
    assert decision.command != first.command
    assert "start point 1 of" in decision.rationale


def test_without_a_bootstrap_command_the_unchanged_base_is_the_baseline(base_config: dict[str, Any]) -> None:
    first = Bootstrap(label="b", command="", pending=True)
    for observation in (observe(), observe(bootstrap=first)):
        decision = decide(observation)
        assert decision.run_label == "baseline"
        assert proposed(decision) == {
            "seed": 3,
            "data.image_size": 8,
            "data.folder": "Bücher und Bilder",
            "optimizer.name": "sgd",
            "optimizer.learning_rate": 0.01,
            "optimizer.momentum": 0.0,
            "optimizer.weight_decay": 0.0,
            "model.width": 16,
            "model.dropout": 0.0,
            "augmentation.flip": False,
            "training.epochs": 40,
            "training.label_smoothing": 0.0,
        }


def test_without_a_search_space_it_waits() -> None:
    decision = decide(observe(search_space=None, base_config=None))
    assert decision.action is Action.WAIT
    assert "search space" in decision.rationale


def test_a_base_config_that_was_not_read_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"base_config: config/trainer/base\.yaml"):
        decide(observe(base_config=None))


@pytest.mark.parametrize("direction", ["min", "max"])
def test_every_proposal_is_in_the_space_new_and_told_from_the_evidence(space: SearchSpace, direction: str) -> None:
    history: list[KnownRun] = []
    for number in range(1, 19):
        decision = decide(observe(history, direction=direction))
        config = proposed(decision)
        assert decision.command == space.command
        assert decision.working_folder == "."
        assert LABEL.fullmatch(decision.run_label)
        assert decision.run_label not in {run.label for run in history}
        assert space.project(config) is not None
        assert config not in [run.params for run in history]
        if history:
            values = {run.run_id: run.value for run in history}
            named = re.match(r"Best so far: val_log_loss \S+ \((R\d{4}), ", decision.rationale)
            assert named
            if not any("-seed" in run.label for run in history):
                assert values[named[1]] == (min if direction == "min" else max)(v for v in values.values() if v)
        value = 0.3 + (config["optimizer.learning_rate"] - 0.1) ** 2
        history.append(ended(decision, number, value=value if direction == "min" else -value))


def test_the_training_seed_stays_but_for_repeats() -> None:
    history = campaign(14)
    seeds = {run.label: run.seed for run in history}
    assert {seed for label, seed in seeds.items() if "-seed" not in label} == {3}
    assert [label for label in seeds if "-seed4" in label] == [history[6].label, history[12].label]


def test_a_repeat_changes_nothing_but_the_seed() -> None:
    history = campaign(7)
    repeat = history[6]
    assert repeat.idea_category == IdeaCategory.EVALUATION
    assert ", mean of 2 seeds)" in decide(observe(history)).rationale
    original = min(history[:6], key=lambda run: run.value or 0)
    assert repeat.params == {**(original.params or {}), "seed": 4}


def test_a_repeat_keeps_what_else_the_leader_changed() -> None:
    history = campaign(6)
    leader = replace(history[2], value=0.001, params={**(history[2].params or {}), "training.epochs": 80})
    config = proposed(decide(observe([*history[:2], leader, *history[3:]])))
    assert (config["training.epochs"], config["seed"]) == (80, 4)


def test_a_repeat_leaves_alone_what_the_trainer_resolved() -> None:
    history = [replace(run, params={**(run.params or {}), "data.folder": "/resolved"}) for run in campaign(6)]
    assert proposed(decide(observe(history)))["data.folder"] == "Bücher und Bilder"


def test_the_same_observation_gives_the_same_answer() -> None:
    for count in (0, 3, 9):
        observation = observe(campaign(count))
        assert decide(observation) == decide(observation)


def test_another_seed_gives_another_campaign() -> None:
    assert campaign(3, seed=0)[1:] != campaign(3, seed=1)[1:]


@pytest.mark.parametrize("count", [1, 9])
def test_runs_under_way_are_not_proposed_again(count: int) -> None:
    history = campaign(count)
    decisions = [decide(observe(history))]
    for number in range(3):
        under_way = [_pending(one, count + 1 + place) for place, one in enumerate(decisions)]
        staged = tuple(replace(run, state="staged") for run in under_way[1:])
        decisions.append(decide(observe(history, active_runs=tuple(under_way[:1]), staged_runs=staged)))
        assert proposed(decisions[-1]) not in [proposed(one) for one in decisions[:-1]], number


@pytest.mark.parametrize("count", [0, 2, 6, 9])
def test_a_refused_proposal_is_not_made_again(count: int) -> None:
    history = campaign(count)
    configs = [proposed(decide(observe(history, refusals=("no",) * times))) for times in range(4)]
    assert all(one not in configs[:place] for place, one in enumerate(configs))


def test_a_refused_bootstrap_is_not_proposed_again() -> None:
    first = Bootstrap(label="b", command="rm -rf /", pending=True)
    assert decide(observe(bootstrap=first, refusals=("destructive command",))).command != first.command


def test_a_failure_of_the_surroundings_says_nothing_about_the_configuration() -> None:
    history = campaign(8)
    near_best = min(history, key=lambda run: run.value or 0)
    lost = replace(near_best, run_id="R0009", label="lost-run", state="failed", value=None, cause="missing_module")
    diverged = replace(lost, cause="non_finite_metric")
    assert decide(observe([*history, lost])) != decide(observe([*history, diverged]))


def test_a_configuration_that_failed_is_never_tried_again(space: SearchSpace) -> None:
    history = campaign(2)
    for number in range(3, 9):
        decision = decide(observe(history))
        tried = [run.params for run in history]
        assert proposed(decision) not in tried
        history.append(ended(decision, number, state="failed", value=None, cause="exit_code"))


def test_values_that_are_no_numbers_are_ignored() -> None:
    history = campaign(5)
    broken = [
        replace(history[1], value=float("nan")),
        replace(history[2], value=None),
        replace(history[3], value=float("-inf")),
    ]
    decision = decide(observe([history[0], *broken, history[4]]))
    best = min((history[0], history[4]), key=lambda run: run.value or 0)
    assert f"({best.run_id}, " in decision.rationale


def test_a_leader_outside_the_space_is_named_as_what_it_is() -> None:
    history = campaign(3)
    foreign = replace(history[0], run_id="R0004", label="by-hand", value=0.001, params=None)
    decision = decide(observe([*history, foreign]))
    assert "0.001 (R0004, by-hand), outside the search space" in decision.rationale


def test_runs_without_known_parameters_do_not_stop_the_planner() -> None:
    history: list[KnownRun] = []
    configs: list[dict[str, Any]] = []
    for number in range(1, 12):
        decision = decide(observe(history))
        assert decision.action is Action.RUN_COMMAND
        assert proposed(decision) not in configs
        configs.append(proposed(decision))
        history.append(ended(decision, number, params=None))


def test_an_exhausted_space_repeats_seeds_and_then_waits(space_file: dict[str, Any]) -> None:
    space_file["parameters"] = space_file["parameters"][:1]
    history: list[KnownRun] = []
    labels = []
    for number in range(1, 12):
        decision = decide(observe(history, search_space=space_file))
        if decision.action is Action.WAIT:
            break
        value = 0.1 if proposed(decision)["optimizer.name"] == "sgd" else 0.2
        history.append(ended(decision, number, value=value))
        labels.append(decision.run_label)
    assert labels == ["baseline", "adamw", "baseline-seed4", "baseline-seed5"]
    assert "Every configuration" in decision.rationale


def test_a_new_best_is_noted_once_and_a_missing_dimension_asked_for() -> None:
    history = campaign(2)
    better = replace(history[1], value=0.0001)
    note = decide(observe([history[0], better])).housekeeping.notes_update
    assert note.startswith("New best val_log_loss 0.0001 (R0002, ")
    worse = replace(history[1], run_id="R0003", value=9.0)
    assert decide(observe([history[0], better, worse])).housekeeping.notes_update == ""
    asked = decide(observe(campaign(8))).housekeeping.todo_new
    assert asked == ("Give the search space a parameter of the dimension preprocessing: no run can vary it so far.",)
    open_todo = OpenTodo(id="C0008-W01", text=asked[0])
    again = decide(observe(campaign(8), open_todos=(open_todo,), open_todo_count=1)).housekeeping
    assert again.todo_new == ()
    assert again.resolve_shared_todo_ids == ()


def test_a_todo_that_is_done_is_resolved(space_file: dict[str, Any]) -> None:
    todos = (
        OpenTodo(id="C0008-W01", text=add_parameter_todo(IdeaCategory.LOSS)),
        OpenTodo(id="C0009-W01", text="Something that a person wrote about the dimension loss."),
    )
    decision = decide(observe(campaign(2), open_todos=todos, open_todo_count=2))
    assert decision.housekeeping.resolve_shared_todo_ids == ("C0008-W01",)


def test_every_answer_to_a_random_history_keeps_the_contract() -> None:
    draw = random.Random(7)
    template = campaign(9)
    for trial in range(60):
        observation = observe(
            _random_runs(draw, template, draw.randrange(0, 14)),
            direction=draw.choice(["min", "max"]),
            active_runs=tuple(_random_runs(draw, template, draw.randrange(0, 2), state="running")),
            staged_runs=tuple(_random_runs(draw, template, draw.randrange(0, 2), state="staged")),
            refusals=("too short",) * draw.randrange(0, 3),
            bootstrap=Bootstrap(
                label="baseline", command=draw.choice(["", "python a.py"]), pending=draw.random() < 0.3
            ),
            seed=draw.randrange(0, 2**40),
            default_monitor_seconds=draw.choice([1, 300, 7200]),
        )
        decision = decide(observation)
        assert Decision.from_json(decision.to_json()) == decision, trial
        assert len(decision.rationale) >= 20
        assert decision.monitor_seconds >= 15
        assert len(decision.housekeeping.notes_update) <= 500


def _random_runs(draw: random.Random, template: list[KnownRun], count: int, **fields: Any) -> list[KnownRun]:
    runs = []
    for number in range(count):
        run = draw.choice(template)
        params = dict(run.params or {})
        if draw.random() < 0.5:
            params["optimizer.learning_rate"] = 10 ** draw.uniform(-5, 1)
        if draw.random() < 0.1:
            params.pop(draw.choice(sorted(params)))
        state = draw.choice(["completed", "completed", "failed", "cancelled", "lost", "needs_human"])
        changes: dict[str, Any] = {
            "run_id": f"R{number + 1:04}",
            "state": state,
            "value": draw.choice([None, float("nan"), draw.uniform(-3, 3), draw.uniform(-3, 3)]),
            "cause": draw.choice([None, "non_finite_metric", "exit_code"]),
            "params": draw.choice([None, params, params, params, {}]),
            "seed": draw.choice([None, 3, 4]),
        }
        runs.append(replace(run, **{**changes, **fields}))
    return runs


def test_a_long_history_is_answered_within_a_second_or_so(space: SearchSpace) -> None:
    template = campaign(9)
    draw = random.Random(1)
    history = [
        replace(
            run,
            run_id=f"R{number:05}",
            value=draw.uniform(0.1, 2),
            params={**(run.params or {}), "optimizer.learning_rate": 10 ** draw.uniform(-4, 0)},
        )
        for number, run in ((number, template[number % 9]) for number in range(1, 10_001))
    ]
    observation = observe(history)
    decide(observe(history[:50]))  # imports are paid once a process
    assert len(gather(observation, space).experiments) <= 400
    begin = time.process_time()
    decision = decide(observation)
    assert decision.action is Action.RUN_COMMAND
    assert time.process_time() - begin < 2.0
