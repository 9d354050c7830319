"""Parameter importance: it finds what matters, says when it cannot know, and what chance gives."""

from __future__ import annotations

import math
import random
import time
from typing import Any

from llm_loop.contract.result import Direction
from llm_loop.report.importance import LEAST_CONFIGS, study_importance

Measured = list[tuple[dict[str, Any], float]]


def configurations(count: int, score: Any) -> Measured:
    dice = random.Random(3)
    found = []
    for _ in range(count):
        params = {
            "lr": 10 ** dice.uniform(-5, -1),
            "loss": dice.choice(["bce", "dice"]),
            "noise": dice.random(),
            "train.seed": dice.randrange(1000),
            "fixed": 3,
        }
        found.append((params, score(params) + dice.gauss(0, 0.01)))
    return found


def test_a_number_and_a_choice_are_found_and_noise_is_not() -> None:
    study = study_importance(
        configurations(200, lambda p: -math.log10(p["lr"]) / 10 + (p["loss"] == "dice") * 0.25), Direction.MAX
    )
    shares = {one.name: one.share for one in study.found}
    assert set(shares) == {"lr", "loss", "noise"} and study.configs == 200
    assert shares["lr"] > 0.3 and shares["loss"] > study.chance > shares["noise"]
    trends = {one.name: one.trend for one in study.found}
    assert trends["lr"] is not None and trends["lr"] < -0.5 and trends["loss"] is None


def test_a_best_value_in_the_middle_counts() -> None:
    study = study_importance(configurations(80, lambda p: -abs(math.log10(p["lr"]) + 3)), Direction.MAX)
    first = study.found[0]
    assert first.name == "lr" and first.share > 0.5 and first.trend is not None and abs(first.trend) < 0.4


def test_the_direction_turns_the_trend() -> None:
    measured = configurations(40, lambda p: p["noise"])
    up, down = (study_importance(measured, way).found[0] for way in (Direction.MAX, Direction.MIN))
    assert up.name == down.name == "noise" and up.trend is not None and up.trend > 0.9
    assert down.trend is not None and math.isclose(up.trend, -down.trend) and math.isclose(up.share, down.share)


def test_pure_noise_seldom_passes_what_chance_gives() -> None:
    passed = 0
    for trial in range(40):
        dice = random.Random(trial)
        measured = [({f"p{name}": dice.random() for name in range(6)}, dice.random()) for _ in range(20)]
        study = study_importance(measured, Direction.MAX)
        passed += study.found[0].share > study.chance
    assert passed <= 6


def test_too_few_and_too_much_alike() -> None:
    few = study_importance(configurations(LEAST_CONFIGS - 1, lambda p: 0.0), Direction.MAX)
    assert few.too_little is not None and "too few runs: 7 ranked" in few.too_little and not few.found
    same: Measured = [({"a": 1}, float(value)) for value in range(20)]
    assert "nothing to compare" in str(study_importance(same, Direction.MAX).too_little)
    equal: Measured = [({"a": value}, 0.5) for value in range(20)]
    assert "nothing to compare" in str(study_importance(equal, Direction.MAX).too_little)
    without: Measured = [({}, float(value)) for value in range(20)]
    assert "too few runs: 0 ranked" in str(study_importance(without, Direction.MAX).too_little)


def test_odd_values_break_nothing() -> None:
    odd: list[Any] = [None, True, "x", [1], {"a": 2}, 10**400, 1.5, "x", "x", "x", None, None]
    study = study_importance(
        [({"p": value, "q": place}, place * 1.0) for place, value in enumerate(odd)], Direction.MAX
    )
    assert [one.name for one in study.found] == ["q"]


def test_many_configurations_are_bounded() -> None:
    dice = random.Random(1)
    measured = [({f"p{name}": dice.random() for name in range(40)}, dice.random()) for _ in range(4_000)]
    started = time.process_time()
    assert study_importance(measured, Direction.MAX).configs == 1_000
    assert time.process_time() - started < 8
