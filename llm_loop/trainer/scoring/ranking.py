"""Metrics of how well scores rank the positive images before the others, whatever the threshold."""

from __future__ import annotations

import numpy as np

from llm_loop.trainer.scoring.weighing import Flags, Floats, Measure, all_once, ratio


class Ranking:
    """Rank n images by falling score, once, for any weighing of them; equal scores share a place."""

    def __init__(self, scores: Floats, positive: Flags) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._last_of_place = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self._scores = ranked
        self._positive = positive[self._order].astype(float)

    def roc_auc(self, weights: Floats) -> Floats:
        """Return the area under the ROC curve (sets), by trapezoids; NaN where one class is missing."""
        hits, taken = self._counts(weights)
        false = taken - hits
        before = np.pad(hits, ((0, 0), (1, 0)))[:, :-1]
        area = (np.diff(false, axis=1, prepend=0) * (hits + before)).sum(axis=1) / 2
        return ratio(area, hits[:, -1] * false[:, -1])

    def average_precision(self, weights: Floats) -> Floats:
        """Return the mean precision over the steps of recall (sets), not interpolated; NaN without a positive."""
        hits, taken = self._counts(weights)
        precision = np.nan_to_num(ratio(hits, taken))  # nothing taken yet: no step of recall either
        return ratio((np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1), hits[:, -1])

    def best_f1(self, weights: Floats) -> Floats:
        """Return the highest F1 that any threshold gives (sets); NaN without a positive."""
        hits, taken = self._counts(weights)
        positives = hits[:, -1:]
        return np.where(positives[:, 0] > 0, ratio(2 * hits, taken + positives).max(axis=1), np.nan)

    def best_f1_threshold(self) -> float | None:
        """Return the score from which on an image counts as positive where F1 is highest; None without a positive."""
        if not self._positive.any():
            return None
        hits, taken = self._counts(all_once(len(self._order)))
        best = int(ratio(2 * hits, taken + hits[:, -1:])[0].argmax())
        return float(self._scores[self._last_of_place[best]])

    def _counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the weight of the positives and of all images down to each place, (sets, places) each."""
        ranked = weights[:, self._order]
        hits = (ranked * self._positive).cumsum(axis=1)
        return hits[:, self._last_of_place], ranked.cumsum(axis=1)[:, self._last_of_place]


def f1_of(taken: Flags, positive: Flags) -> Measure:
    """Return the F1 of images that are ``taken`` for positive as a measure; NaN without a positive."""
    hit, either = (taken & positive).astype(float), taken.astype(float) + positive.astype(float)
    there = positive.astype(float)
    return lambda weights: np.where(weights @ there > 0, ratio(2 * (weights @ hit), weights @ either), np.nan)
