"""Rank what was trained, and say honestly which places are ties.

Runs of one configuration with several seeds are one entry: mean, spread and number of seeds. An entry
is tied with the best when their difference lies inside the noise that is known (``memory/noise.py``).
Failed, cancelled and interrupted runs are listed apart and never ranked.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.noise import Measured, PooledSpread, TieBasis, pooled_spread, tied

SCHEMA_VERSION = 1
APART_SHOWN = 5
TIE_BREAKERS = (
    ("val_average_precision", "val_average_precision_presence"),
    ("val_roc_auc", "val_roc_auc_presence"),
)
"""What orders equal means, larger first: average precision, then area under the ROC curve, by any of their names."""
_UNTOLD = sys.float_info.max  # a place is kept as JSON, which knows no infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold one configuration's place.

    ``value`` is the mean over ``seeds`` distinct seeds, ``sd`` their sample standard deviation (None for
    one seed), ``interval`` the 95 % interval of the one run (None for several), ``run_seconds`` the mean.
    ``tied_with_best`` is None when no noise is known. ``average_precision`` and ``roc_auc`` are means over the runs
    that told them.
    """

    rank: int
    tied_with_best: bool | None
    tie_basis: TieBasis | None
    label: str
    run_ids: tuple[str, ...]
    metric: str
    value: float
    sd: float | None
    seeds: int
    interval: tuple[float, float] | None
    model: str | None
    proposer: str
    run_seconds: float | None
    config_hash: str | None
    stopped_early: bool
    score_source: str
    average_precision: float | None = None
    roc_auc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartRun:
    """Hold a run that is not ranked. ``partial_value`` is the best that it logged, where it logged any."""

    run_id: str
    label: str
    state: str
    cause: str | None
    partial_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Hold the ranking: the first ``top_k`` entries, and how much there is besides.

    ``apart_counts`` counts the runs that are not ranked by state (``without this metric`` among them),
    ``apart`` holds the last few.
    """

    metric: str
    direction: Direction
    top_k: int
    ranked_configs: int
    ranked_runs: int
    entries: tuple[Entry, ...]
    apart_counts: dict[str, int]
    apart: tuple[ApartRun, ...]

    @property
    def best(self) -> Entry | None:
        """The first entry."""
        return self.entries[0] if self.entries else None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a leaderboard from its JSON form, other keys left out. Raises KeyError, TypeError, ValueError."""
        known = {field.name: value[field.name] for field in fields(cls)}
        known["direction"] = Direction(known["direction"])
        known["entries"] = tuple(_entry_from_json(entry) for entry in known["entries"])
        known["apart"] = tuple(ApartRun(**run) for run in known["apart"])
        return cls(**known)


def _entry_from_json(value: Mapping[str, Any]) -> Entry:
    basis, interval = value["tie_basis"], value["interval"]
    changed = {
        "tie_basis": None if basis is None else TieBasis(basis),
        "interval": None if interval is None else tuple(interval),
        "run_ids": tuple(value["run_ids"]),
    }
    return Entry(**{**value, **changed})


def build(rows: Iterable[HistoryRow], metric: str, direction: Direction, top_k: int) -> Leaderboard:
    """Rank ``rows`` (one a run) by ``metric``.

    Equal means are ordered by the tie-breakers, then by more seeds, then by the older run. A value that is not finite
    never ranks, nor does one that was measured on other data than the latest.
    """
    rows = list(rows)
    data = next((row.data_hash for row in reversed(rows) if row.ranks and row.data_hash is not None), None)
    groups: dict[tuple[str, bool], list[HistoryRow]] = {}
    apart, counts, ranked = [], Counter[str](), 0
    for row in rows:
        if row.data_hash not in (None, data):
            apart.append(row)
            counts["on other data"] += 1
        elif row.ranks and row.value_of(metric) is not None:
            groups.setdefault(group_of(row), []).append(row)
            ranked += 1
        else:
            apart.append(row)
            counts["without this metric" if row.ranks else row.state] += 1
    places = sorted(groups.values(), key=lambda group: _order(group, metric, direction))
    return Leaderboard(
        metric=metric,
        direction=direction,
        top_k=top_k,
        ranked_configs=len(places),
        ranked_runs=ranked,
        entries=in_order(
            [entry_of(group, metric) for group in places[:top_k]],
            pooled_spread(values_by_seed(group, metric) for group in places),
        ),
        apart_counts=dict(counts),
        apart=tuple(apart_run(row, metric) for row in apart[-APART_SHOWN:]),
    )


def group_of(row: HistoryRow) -> tuple[str, bool]:
    """Return what makes two runs one entry; a run whose parameters are not known stands alone."""
    early = row.result is not None and row.result.stopped_early
    return row.config_hash or f"run {row.run_id}", early


def entry_of(group: Sequence[HistoryRow], metric: str) -> Entry:
    """Return the entry of one configuration's runs, oldest first, without its place."""
    results = [row.result for row in group if row.result is not None]
    values = values_by_seed(group, metric)
    seconds = [row.run_seconds for row in group if row.run_seconds is not None]
    average_precision, roc_auc = (mean_of_known(told) for told in zip(*map(tie_breakers_of, group), strict=True))
    own_interval = len(group) == 1 and results[0].metric == metric
    return Entry(
        rank=0,
        tied_with_best=None,
        tie_basis=None,
        label=group[0].label,
        run_ids=tuple(row.run_id for row in group),
        metric=metric,
        value=mean_of(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        interval=results[0].interval if own_interval else None,
        model=results[0].model,
        proposer=", ".join(dict.fromkeys(row.proposer for row in group)),
        run_seconds=statistics.fmean(seconds) if seconds else None,
        config_hash=group[0].config_hash,
        stopped_early=results[0].stopped_early,
        score_source=", ".join(dict.fromkeys(result.score_source for result in results)),
        average_precision=average_precision,
        roc_auc=roc_auc,
    )


def values_by_seed(group: Sequence[HistoryRow], metric: str) -> list[float]:
    """Return one value a seed of a configuration's runs."""
    seeds = [row.result.seed if row.result is not None else None for row in group]
    return mean_by_seed(zip(seeds, [row.value_of(metric) for row in group], strict=True))


def mean_by_seed(measured: Iterable[tuple[int | None, float | None]]) -> list[float]:
    """Return one value a seed: a run repeated with its seed is no second sample. Without a seed each stands alone."""
    seeds: dict[object, list[float]] = {}
    for seed, value in measured:
        if value is not None:
            seeds.setdefault(object() if seed is None else seed, []).append(value)
    return [mean_of(values) for values in seeds.values()]


def _order(group: Sequence[HistoryRow], metric: str, direction: Direction) -> tuple[float, float, float, int]:
    breakers = [mean_of_known(told) for told in zip(*map(tie_breakers_of, group), strict=True)]
    return order_of(values_by_seed(group, metric), breakers, direction)


def order_of(
    values: Sequence[float], breakers: Sequence[float | None], direction: Direction
) -> tuple[float, float, float, int]:
    """Return what a configuration's place follows from, the smallest first; who told no tie-breaker stands behind."""
    precision, auc = (_UNTOLD if told is None else -told for told in breakers)
    return -higher_is_better(mean_of(values), direction), precision, auc, -len(values)


def stands_for(group: Sequence[HistoryRow], metric: str, direction: Direction) -> HistoryRow:
    """Return the run that stands for a configuration: the best of its seeds, the older one of equals."""
    return max(group, key=lambda row: higher_is_better(row.value_of(metric) or 0.0, direction))


def tie_breakers_of(row: HistoryRow) -> tuple[float | None, ...]:
    """Return a run's tie-breakers, None where it told none."""
    told = ([row.value_of(name) for name in names] for names in TIE_BREAKERS)
    return tuple(next((value for value in values if value is not None), None) for values in told)


def mean_of_known(told: Iterable[float | None]) -> float | None:
    """Return the mean of what is known, None where nothing is."""
    known = [value for value in told if value is not None]
    return mean_of(known) if known else None


def mean_of(values: Sequence[float]) -> float:
    """Return the mean; a single value as it is."""
    return values[0] if len(values) == 1 else statistics.fmean(values)


def in_order(entries: Sequence[Entry], pooled: PooledSpread | None) -> tuple[Entry, ...]:
    """Return the entries, best first, with their places and ties."""
    ranked: list[Entry] = []
    for rank, entry in enumerate(entries, 1):
        is_tied, basis = (None, None) if rank == 1 else tied(measured_of(entries[0]), measured_of(entry), pooled)
        ranked.append(replace(entry, rank=rank, tied_with_best=is_tied, tie_basis=basis))
    if any(entry.tied_with_best for entry in ranked):
        ranked[0] = replace(ranked[0], tied_with_best=True)
    return tuple(ranked)


def measured_of(entry: Entry) -> Measured:
    """Return what the noise of a place is judged by."""
    return Measured(mean=entry.value, n=entry.seeds, sd=entry.sd, interval=entry.interval)


def apart_run(row: HistoryRow, metric: str) -> ApartRun:
    """Return a run as it is listed apart."""
    return ApartRun(
        run_id=row.run_id,
        label=row.label,
        state=row.state,
        cause=row.cause,
        partial_value=row.value_of(metric),
    )
