"""The leaderboard, kept up to date run by run: what it costs does not grow with the runs behind it.

``leaderboard.build`` ranks a whole history and says what a leaderboard is; this comes to the same, one run at a time.
Of a run that ranks six numbers stay in memory: its configuration's key, where its row begins in the history, value,
seed and tie-breakers. The rows of the first places alone are read again.
"""

from __future__ import annotations

import base64
import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from llm_loop.contract.result import Direction
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import (
    APART_SHOWN,
    ApartRun,
    Entry,
    Leaderboard,
    apart_run,
    entry_of,
    group_of,
    in_order,
    mean_by_seed,
    mean_of_known,
    order_of,
    tie_breakers_of,
)
from llm_loop.memory.noise import spread_of, squares_of
from llm_loop.memory.text_set import digest_of

KEPT_PLACES = 100
_NO_SEED = -(2**63)
_LARGEST_SEED = 2**62
_OTHER_DATA = "on other data"

Order = tuple[float, float, float, int, int, int]
"""Minus score, minus tie-breakers, minus seeds, where the first row begins, key: the smallest leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    offset: int
    value: float
    seed: int | None
    breakers: tuple[float | None, ...]


class Standings:
    """Rank runs of one metric on one data set, of which there may be none yet."""

    def __init__(self, metric: str, direction: Direction, data: str | None = None) -> None:
        self.metric, self.direction, self.data = metric, direction, data
        # key, offset, value, seed, tie-breakers; by key, then by age
        columns = (array("Q"), array("Q"), array("d"), array("q"), array("d"), array("d"))
        self._columns: tuple[array[Any], ...] = columns
        self._ranked_configs = 0
        self._squares, self._freedom = 0.0, 0
        self._places: list[Order] = []  # the leading ones, in order
        self._next: Order | None = None  # no configuration outside of them leads this one; None: there is none
        self._entries: dict[int, Entry] = {}
        self._apart_counts: Counter[str] = Counter()
        self._apart: deque[ApartRun] = deque(maxlen=APART_SHOWN)

    def turns_to_other_data(self, row: HistoryRow) -> bool:
        """Tell whether a run makes other data the measure: the whole history has to be taken in anew, judged by it."""
        begins = self.data is None and not self._apart_counts[_OTHER_DATA]
        return row.ranks and row.data_hash not in (None, self.data) and not begins

    def add(self, offset: int, row: HistoryRow) -> None:
        """Take in a run whose row begins at ``offset``."""
        if self.data is None and row.ranks:
            self.data = row.data_hash
        value = row.value_of(self.metric) if row.ranks else None
        if row.data_hash not in (None, self.data):
            self._put_apart(row, _OTHER_DATA)
        elif value is None:
            self._put_apart(row, "without this metric" if row.ranks else row.state)
        else:
            seed = None if row.result is None or row.result.seed is None else int(row.result.seed)
            member = _Member(offset=offset, value=value, seed=seed, breakers=tie_breakers_of(row))
            self._rank(_key(row), member)

    def board(self, top_k: int, row_at: Callable[[int], HistoryRow]) -> Leaderboard:
        """Return the leaderboard of the first places; ``row_at`` reads the row that begins at an offset."""
        if len(self._places) < min(top_k, self._ranked_configs):
            self._look_at_all()
        keys = [place[-1] for place in self._places[:top_k]]
        self._entries = {key: self._entries.get(key) or self._entry(key, row_at) for key in keys}
        return Leaderboard(
            metric=self.metric,
            direction=self.direction,
            top_k=top_k,
            ranked_configs=self._ranked_configs,
            ranked_runs=len(self._columns[0]),
            entries=in_order([self._entries[key] for key in keys], spread_of(self._squares, self._freedom)),
            apart_counts=dict(+self._apart_counts),
            apart=tuple(self._apart),
        )

    def to_json(self) -> dict[str, Any]:
        """Return a form to go on from, on a machine of the same byte order."""
        return {
            "data": self.data,
            "columns": [base64.b64encode(column.tobytes()).decode("ascii") for column in self._columns],
            "ranked_configs": self._ranked_configs,
            "squares": self._squares,
            "freedom": self._freedom,
            "places": self._places,
            "next": self._next,
            "apart_counts": dict(self._apart_counts),
            "apart": [asdict(run) for run in self._apart],
        }

    @classmethod
    def from_json(cls, metric: str, direction: Direction, value: dict[str, Any]) -> Self:
        """Go on from a form of before. Raises KeyError, TypeError, ValueError."""
        standings = cls(metric, direction, value["data"])
        for column, text in zip(standings._columns, value["columns"], strict=True):
            column.frombytes(base64.b64decode(text))
        standings._ranked_configs = int(value["ranked_configs"])
        standings._squares, standings._freedom = float(value["squares"]), int(value["freedom"])
        standings._places = [_order_of(place) for place in value["places"]]
        standings._next = None if value["next"] is None else _order_of(value["next"])
        standings._apart_counts = Counter(value["apart_counts"])
        standings._apart.extend(ApartRun(**run) for run in value["apart"])
        return standings

    # ------------------------------------------------------------ one configuration

    def _members(self, key: int) -> list[_Member]:
        keys, offsets, values, seeds, *breakers = self._columns
        return [
            _Member(
                offset=offsets[at],
                value=values[at],
                seed=None if seeds[at] == _NO_SEED else seeds[at],
                breakers=tuple(None if math.isnan(column[at]) else column[at] for column in breakers),
            )
            for at in range(bisect_left(keys, key), bisect_right(keys, key))
        ]

    def _order(self, key: int, members: list[_Member], values: list[float]) -> Order:
        breakers = [mean_of_known(told) for told in zip(*(one.breakers for one in members), strict=True)]
        return (*order_of(values, breakers, self.direction), members[0].offset, key)

    def _entry(self, key: int, row_at: Callable[[int], HistoryRow]) -> Entry:
        return entry_of([row_at(member.offset) for member in self._members(key)], self.metric)

    # ------------------------------------------------------------ a run more

    def _put_apart(self, row: HistoryRow, why: str) -> None:
        self._apart_counts[why] += 1
        self._apart.append(apart_run(row, self.metric))

    def _rank(self, key: int, member: _Member) -> None:
        before = self._members(key)
        if before:
            values = _values(before)
            self._count_noise(values, -1)
            if (old := self._order(key, before, values)) in self._places:
                self._places.remove(old)
        else:
            self._ranked_configs += 1
        at = bisect_right(self._columns[0], key)
        seed = _NO_SEED if member.seed is None else member.seed % _LARGEST_SEED
        breakers = (math.nan if told is None else told for told in member.breakers)
        for column, number in zip(self._columns, (key, member.offset, member.value, seed, *breakers), strict=True):
            column.insert(at, number)
        self._entries.pop(key, None)
        members = self._members(key)
        values = _values(members)
        self._count_noise(values, 1)
        self._place(self._order(key, members, values))

    def _count_noise(self, values: list[float], sign: int) -> None:
        squares, freedom = squares_of(values)
        self._squares += sign * squares
        self._freedom += sign * freedom

    def _place(self, order: Order) -> None:
        if self._next is not None and order > self._next:
            return  # no nearer to the places than others that are not among them
        insort(self._places, order)
        if len(self._places) > KEPT_PLACES:
            self._next = self._places.pop()

    def _look_at_all(self) -> None:
        """Fill the places again: so many of the leading ones fell back that none is known to follow them."""
        self._places, self._next = [], None
        for key in dict.fromkeys(self._columns[0]):
            members = self._members(key)
            self._place(self._order(key, members, _values(members)))


def _values(members: list[_Member]) -> list[float]:
    return mean_by_seed((member.seed, member.value) for member in members)


def _key(row: HistoryRow) -> int:
    """Return a number of 64 bits for what makes two runs one entry."""
    name, early = group_of(row)
    return digest_of(f"{early} {name}")


def _order_of(value: list[Any]) -> Order:
    score, precision, auc, seeds, offset, key = value
    return float(score), float(precision), float(auc), int(seeds), int(offset), int(key)
