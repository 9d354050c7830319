"""Our own metrics agree with scikit-learn, and the interval behaves like one."""

from __future__ import annotations

import time

import pytest

np = pytest.importorskip("numpy")
sklearn_metrics = pytest.importorskip("sklearn.metrics")

from llm_loop.trainer import metrics  # noqa: E402
from llm_loop.trainer.settings import Metric  # noqa: E402


def case(seed: int, n: int = 200, classes: int = 5):
    draws = np.random.default_rng(seed)
    return draws.normal(size=(n, classes)) * 3, draws.integers(classes, size=n)


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed: int) -> None:
    logits, labels = case(seed)
    labels[labels == 4] = 3  # a class that is guessed but never true
    probabilities = np.exp(metrics.log_probabilities(logits))
    scores, guessed = metrics.scores(logits, labels), logits.argmax(axis=1)
    assert scores["val_log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, probabilities, labels=range(5)))
    assert scores["val_accuracy"] == sklearn_metrics.accuracy_score(labels, guessed)
    assert scores["val_macro_f1"] == pytest.approx(sklearn_metrics.f1_score(labels, guessed, average="macro"))


def test_a_class_that_nowhere_occurs_is_not_counted() -> None:
    labels = np.array([0, 0, 1, 1])
    assert metrics.macro_f1(labels, labels, classes=7) == 1.0


def test_huge_logits_stay_finite() -> None:
    logits = np.array([[1e30, -1e30], [0.0, 1e30]])
    assert np.isfinite(metrics.row_log_loss(logits, np.array([0, 0]))).all()


@pytest.mark.parametrize("metric", list(Metric))
def test_the_interval_holds_the_value_and_repeats(metric: Metric) -> None:
    logits, labels = case(1)
    low, high = metrics.bootstrap_interval(metric, logits, labels)
    assert low < metrics.scores(logits, labels)[metric.value] < high
    assert (low, high) == metrics.bootstrap_interval(metric, logits, labels)


def test_the_interval_has_the_width_that_theory_gives() -> None:
    logits, labels = case(2, n=540)
    hit_rate = metrics.scores(logits, labels)["val_accuracy"]
    low, high = metrics.bootstrap_interval(Metric.ACCURACY, logits, labels)
    assert high - low == pytest.approx(2 * 1.96 * (hit_rate * (1 - hit_rate) / 540) ** 0.5, rel=0.1)


def test_chunks_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = case(3)
    whole = metrics.bootstrap_interval(Metric.MACRO_F1, logits, labels)
    monkeypatch.setattr(metrics, "_CHUNK_ROWS", 700)
    assert metrics.bootstrap_interval(Metric.MACRO_F1, logits, labels) == whole


def test_the_interval_is_cheap() -> None:
    logits, labels = case(4, n=540, classes=10)
    started = time.process_time()
    metrics.bootstrap_interval(Metric.MACRO_F1, logits, labels)
    assert time.process_time() - started < 2.0
