"""Shortcuts are found where they are planted, and not where there is nothing."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from llm_loop.trainer.prepare.shortcuts import area, judge  # noqa: E402


def labels_of(positive) -> list[str]:
    return ["1" if one else "0" for one in positive]


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    draws = np.random.default_rng(0)
    for round_to in (0, 1, 8):
        positive = draws.random(60) < 0.3
        values = np.round(draws.normal(size=60) + positive, round_to)
        above = values[positive][:, None] - values[~positive]
        assert area(values, positive)[0] == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean(), abs=1e-12)


@pytest.mark.slow
def test_the_area_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draws = np.random.default_rng(0)
    for round_to in (0, 1, 8):
        for _ in range(20):
            positive = draws.random(60) < 0.3
            positive[:2] = True, False
            values = np.round(draws.normal(size=60) + positive, round_to)
            assert area(values, positive)[0] == pytest.approx(metrics.roc_auc_score(positive, values), abs=1e-12)


def test_the_error_is_that_of_repeated_samples() -> None:
    draws = np.random.default_rng(1)
    positive = np.arange(200) < 80
    found = [area(draws.normal(size=200) + positive, positive) for _ in range(400)]
    assert np.std([one for one, _ in found]) == pytest.approx(np.mean([error for _, error in found]), rel=0.35)


def test_nothing_is_flagged_by_chance() -> None:
    draws = np.random.default_rng(2)
    flagged = 0
    for _ in range(200):
        positive = draws.permutation(100) < 20
        verdict = judge("noise", draws.normal(size=100), labels_of(positive))
        sign = judge("sign", (draws.random(100) < 0.2).astype(float), labels_of(positive))
        flagged += verdict.flagged + sign.flagged
    assert flagged <= 4


def test_a_planted_number_is_flagged_whatever_its_direction() -> None:
    draws = np.random.default_rng(3)
    positive = draws.random(300) < 0.2
    for sign in (1, -1):
        verdict = judge("file size", draws.normal(size=300) + sign * 1.5 * positive, labels_of(positive))
        assert verdict.flagged and verdict.auc > 0.75 and 0.5 < verdict.low < verdict.auc < verdict.high
        assert verdict.n == 300 and verdict.positive == positive.sum() and verdict.share is None


def test_a_rare_sign_that_gives_the_label_away_is_flagged_in_spite_of_its_area() -> None:
    """As hardware does in the real set (97 of 99 fractured), and truncation (59 of 59 not fractured)."""
    positive = np.arange(4083) < 719
    hardware, truncated, frontal = np.zeros(4083), np.zeros(4083), np.zeros(4083)
    hardware[:97], hardware[800:802] = 1, 1
    truncated[1000:1059] = 1
    frontal[::2] = 1
    verdicts = [judge("sign", values, labels_of(positive)) for values in (hardware, truncated, frontal)]
    assert [one.flagged for one in verdicts] == [True, True, False]
    assert all(one.auc < 0.6 for one in verdicts)
    assert verdicts[0].shown == 99 and verdicts[0].share == pytest.approx(97 / 99)
    assert verdicts[1].share == 1.0
    few = np.zeros(4083)
    few[:9] = 1
    assert not judge("nine", few, labels_of(positive)).flagged


def test_too_few_and_constant_give_no_verdict() -> None:
    assert judge("x", np.arange(20.0), ["1"] * 4 + ["0"] * 16) is None
    assert judge("x", np.ones(20), ["1"] * 10 + ["0"] * 10) is None
    assert judge("x", np.arange(20.0), ["1"] * 20) is None


def test_of_many_labels_the_best_predicted_one_is_told() -> None:
    values = np.concatenate([np.arange(20.0) % 7, np.arange(20.0) % 7, 50 + np.arange(20.0)])
    verdict = judge("width", values, ["a"] * 20 + ["b"] * 20 + ["c"] * 20)
    assert verdict.flagged and verdict.label == "c" and verdict.auc == 1.0
