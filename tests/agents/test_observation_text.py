"""An observation's text is its JSON form, whatever the one before it held."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llm_loop.agents import observation_text
from llm_loop.agents.observation_text import ObservationText
from llm_loop.contract.observation import KnownRun, Observation, Role
from llm_loop.stages.observe import observe
from tests.stages.long_campaign import Campaign, make_campaign


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make_campaign(tmp_path, 30)


def observed(campaign: Campaign, role: Role = Role.WORKER) -> Observation:
    return observe(
        role,
        campaign.plan,
        campaign.state,
        campaign.rows,
        campaign.todos,
        campaign.config,
        paths=campaign.paths,
        index=campaign.index,
    )


def test_the_text_is_the_json_form(campaign: Campaign) -> None:
    text = ObservationText()
    observation = observed(campaign)
    first, last = observation.history[0], observation.history[-1]
    for given in (
        observation,
        observed(campaign, Role.MENTOR),
        replace(observation, history=()),
        replace(observation, history=(replace(last, state="completed", value=0.1, params={"a": 'ü"\n'}), first, first)),
        observation,
    ):
        assert json.loads(text.of(given)) == json.loads(json.dumps(given.to_json()))
        assert Observation.from_json(json.loads(text.of(given))) == given


def test_a_run_that_was_shown_before_is_not_written_again(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = observation_text._line

    def counted(run: KnownRun) -> bytes:
        written.append(run.run_id)
        return real(run)

    monkeypatch.setattr(observation_text, "_line", counted)
    text, observation = ObservationText(), observed(campaign)
    text.of(observation)
    assert len(written) == 30
    changed = replace(observation.history[3], value=0.5)
    text.of(replace(observation, history=(*observation.history[1:3], changed)))
    assert written[30:] == [changed.run_id]
    text.of(observation)
    assert len(written) == 31 + 28, "only what the last one showed is kept"
