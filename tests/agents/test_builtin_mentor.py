"""The mentor without an LLM."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from llm_loop.agents.builtin_mentor import review
from llm_loop.agents.builtin_worker import decide
from llm_loop.agents.evidence import gather
from llm_loop.agents.search_space import SearchSpace
from llm_loop.contract.decision import Action, Decision, IdeaCategory, RunFile
from llm_loop.contract.observation import KnownRun, Observation, OpenTodo, Role
from llm_loop.contract.review import Recommendation, Review
from llm_loop.errors import ContractError
from tests.agents.small_campaign import campaign, ended, observe, proposed


def _asked(observation: Observation, proposal: Decision) -> Review:
    found = review(replace(observation, role=Role.MENTOR, proposal=proposal.to_json()))
    assert Review.from_json(found.to_json()) == found
    return found


def _changed(decision: Decision, **changes: object) -> Decision:
    """Return the decision with other values in its configuration (dots written as two underscores)."""
    assert decision.run_files is not None
    config = yaml.safe_load(decision.run_files[0].text)
    for key, value in changes.items():
        folder, _, leaf = key.rpartition("__")
        (config[folder] if folder else config)[leaf] = value
    return replace(decision, run_files=(RunFile(name="trial.yaml", text=yaml.safe_dump(config)),))


def _flat_history(count: int, category: str = "optimization") -> list[KnownRun]:
    """Return runs of which the first is the best and none of the later ones comes near."""
    history = [run for run in campaign(count + 4) if "-seed" not in run.label][:count]
    return [
        replace(run, value=0.1 if place == 0 else 0.5 + place / 100, idea_category=category)
        for place, run in enumerate(history)
    ]


def test_a_sound_proposal_goes_on_with_the_evidence_named() -> None:
    history = campaign(4)
    observation = observe(history)
    found = _asked(observation, decide(observation))
    best = min(history, key=lambda run: run.value or 0)
    assert found.recommendation is Recommendation.CONTINUE
    assert found.critique.startswith("on_track: ")
    assert best.run_id in found.critique
    assert found.suggested_decision is None
    assert found.mentor_notes


def test_the_first_proposal_of_all_goes_on() -> None:
    found = _asked(observe(), decide(observe()))
    assert found.recommendation is Recommendation.CONTINUE
    assert "No val_log_loss has been measured yet" in found.critique


@pytest.mark.parametrize("state", ["completed", "running", "staged"])
def test_a_repeat_is_challenged_with_another_experiment(state: str) -> None:
    history = campaign(5)
    again = decide(observe(history[:3]))
    assert proposed(again) == history[3].params
    observation = observe(history)
    if state != "completed":
        history[3:] = [replace(history[3], state=state, value=None)]
        observation = replace(observe(history[:3]), active_runs=tuple(history[3:]))
    found = _asked(observation, again)
    assert found.recommendation is Recommendation.CHALLENGE
    assert found.critique.startswith("off_track: this repeats R0004")
    assert len(found.questions) == 1
    assert found.suggested_decision is not None
    assert found.suggested_decision.action is Action.RUN_COMMAND
    assert proposed(found.suggested_decision) not in [run.params for run in history]


def test_a_tiny_change_is_a_repeat_and_a_large_one_is_not() -> None:
    history = campaign(5)
    again = decide(observe(history[:3]))
    rate = proposed(again)["optimizer.learning_rate"]
    for factor, recommendation in ((1.01, Recommendation.CHALLENGE), (3.0, Recommendation.CONTINUE)):
        near = _changed(again, optimizer__learning_rate=rate * factor)
        assert _asked(observe(history), near).recommendation is recommendation


@pytest.mark.parametrize("change", [{"seed": 4}, {"training__epochs": 80}, {"training__new_key": 1}])
def test_another_seed_or_another_key_is_no_repeat(change: dict[str, object]) -> None:
    history = campaign(5)
    again = _changed(decide(observe(history[:3])), **change)
    assert _asked(observe(history), again).recommendation is Recommendation.CONTINUE


def test_what_the_trainer_resolved_does_not_hide_a_repeat() -> None:
    history = [replace(run, params={**(run.params or {}), "training.device": "cpu"}) for run in campaign(5)]
    again = decide(observe(history[:3]))
    assert _asked(observe(history), again).recommendation is Recommendation.CHALLENGE


def test_trying_again_what_failed_for_another_reason_is_no_repeat() -> None:
    history = campaign(3)
    again = decide(observe(history))
    for cause, recommendation in (
        ("missing_module", Recommendation.CONTINUE),
        ("non_finite_metric", Recommendation.CHALLENGE),
    ):
        failed = ended(again, 4, state="failed", value=None, cause=cause)
        failed = replace(failed, value=None)
        assert _asked(observe([*history, failed]), again).recommendation is recommendation


def test_flat_progress_is_challenged_toward_the_neglected_dimension(space: SearchSpace) -> None:
    history = _flat_history(11)
    observation = observe(history)
    found = _asked(observation, replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION))
    assert found.recommendation is Recommendation.CHALLENGE
    assert "none of the last 5 configurations beat R0001" in found.critique
    assert "model_arch is the dimension that the last 8 runs tried least" in found.critique
    assert len(found.todo_updates) == 1
    suggested = found.suggested_decision
    assert suggested is not None
    assert suggested.idea_category is IdeaCategory.MODEL_ARCH
    best = history[0].params or {}
    differing = {key for key, value in proposed(suggested).items() if best[key] != value}
    assert differing
    assert differing <= {"model.width", "model.dropout"}
    assert "it changes model." in suggested.rationale
    assert "optimizer" not in suggested.rationale


def test_progress_is_not_flat_while_the_best_is_young() -> None:
    history = _flat_history(11)
    history[-3] = replace(history[-3], value=0.01, idea_category="model_arch")
    history[-2] = replace(history[-2], idea_category="augmentation")
    history[-1] = replace(history[-1], idea_category="loss")
    observation = observe(history)
    found = _asked(observation, replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION))
    assert found.recommendation is Recommendation.CONTINUE


def test_a_dimension_that_nobody_touched_is_challenged_though_progress_is_good() -> None:
    history = _flat_history(11)
    history[-1] = replace(history[-1], value=0.01)
    observation = observe(history)
    found = _asked(observation, replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION))
    assert found.recommendation is Recommendation.CHALLENGE
    assert "none of the last 8 runs was about model_arch" in found.critique


@pytest.mark.parametrize("case", ["proposal", "under_way", "mentor_before", "seed_repeat"])
def test_a_challenge_that_says_nothing_new_is_left_out(case: str) -> None:
    history = _flat_history(11)
    observation = observe(history)
    proposal = replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION)
    if case == "proposal":
        proposal = replace(proposal, idea_category=IdeaCategory.MODEL_ARCH)
    elif case == "seed_repeat":
        proposal = replace(proposal, idea_category=IdeaCategory.EVALUATION)
    elif case == "under_way":
        other = replace(
            history[3], run_id="R0020", state="running", value=None, params=None, idea_category="model_arch"
        )
        observation = observe(history, active_runs=(other,))
    else:
        history[-2] = replace(history[-2], proposer="builtin_mentor")
        observation = observe(history)
    assert _asked(observation, proposal).recommendation is Recommendation.CONTINUE


def test_a_todo_that_is_open_is_not_written_again() -> None:
    observation = observe(_flat_history(11))
    proposal = replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION)
    text = _asked(observation, proposal).todo_updates[0]
    again = replace(observation, open_todos=(OpenTodo(id="C0009-M01", text=text),), open_todo_count=1)
    assert _asked(again, proposal).todo_updates == ()


def test_the_mentors_todo_is_resolved_by_the_worker_once_done() -> None:
    history = _flat_history(11)
    observation = observe(history)
    proposal = replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION)
    found = _asked(observation, proposal)
    todo = OpenTodo(id="C0009-M01", text=found.todo_updates[0])
    assert decide(observe(history, open_todos=(todo,))).housekeeping.resolve_shared_todo_ids == ()
    assert found.suggested_decision is not None
    done = [*history, ended(found.suggested_decision, 20)]
    assert decide(observe(done, open_todos=(todo,))).housekeeping.resolve_shared_todo_ids == ("C0009-M01",)


@pytest.mark.parametrize("action", [Action.WAIT, Action.STOP_CURRENT_RUN, Action.SHUTDOWN_DAEMON])
def test_other_actions_stand(action: Action) -> None:
    decision = Decision(action=action, rationale="There is a good reason to do this.")
    assert _asked(observe(campaign(3)), decision).recommendation is Recommendation.CONTINUE


def test_a_proposal_that_cannot_be_compared_stands() -> None:
    history = campaign(3)
    plain = Decision(
        action=Action.RUN_COMMAND, rationale="A command without a config.", command="python a.py", run_label="x"
    )
    broken = replace(plain, run_files=(RunFile(name="trial.yaml", text="a: [1, 2"),))
    for decision in (plain, broken):
        assert _asked(observe(history), decision).recommendation is Recommendation.CONTINUE
    no_space = observe(history, search_space=None, base_config=None)
    assert _asked(no_space, plain).recommendation is Recommendation.CONTINUE


def test_a_mentor_without_a_proposal_is_an_error() -> None:
    with pytest.raises(ContractError, match="proposal"):
        review(observe(role=Role.MENTOR))


def test_start_points_need_not_improve() -> None:
    observation = observe(_flat_history(9))
    proposal = replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION)
    assert _asked(observation, proposal).recommendation is Recommendation.CONTINUE


def test_the_same_observation_gives_the_same_review() -> None:
    observation = observe(_flat_history(11))
    proposal = decide(observation)
    assert _asked(observation, proposal) == _asked(observation, proposal)


def test_progress_inside_the_noise_is_flat(space: SearchSpace) -> None:
    history = _flat_history(11)
    repeat = replace(history[0], run_id="R0020", seed=4, value=0.2)
    barely = replace(history[-1], value=0.145)
    evidence = gather(observe([*history[:-1], barely, repeat]), space)
    assert evidence.noise == pytest.approx(0.0707, abs=1e-4)
    observation = observe([*history[:-1], barely, repeat])
    found = _asked(observation, replace(decide(observation), idea_category=IdeaCategory.OPTIMIZATION))
    assert "none of the last 5 configurations beat" in found.critique
