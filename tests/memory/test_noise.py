"""Ties are called by the noise that is known, and not known is said."""

import pytest

from llm_loop.memory.noise import Measured, TieBasis, pooled_spread, tied


def test_a_lucky_difference_over_three_seeds_is_a_tie() -> None:
    steady, lucky = Measured(mean=0.772, n=3, sd=0.006), Measured(mean=0.796, n=3, sd=0.022)
    assert tied(lucky, steady) == (True, TieBasis.SEEDS)


def test_a_difference_far_beyond_the_spread_is_none() -> None:
    good, bad = Measured(mean=0.09, n=3, sd=0.003), Measured(mean=0.15, n=3, sd=0.005)
    assert tied(good, bad) == (False, TieBasis.SEEDS)


def test_welchs_interval_against_a_worked_case() -> None:
    # variances 1 and 1 over 10 seeds each: 18 degrees of freedom, t = 2.101, half width 0.9396
    first = Measured(mean=0.0, n=10, sd=1.0)
    assert tied(first, Measured(mean=0.9395, n=10, sd=1.0))[0] is True
    assert tied(first, Measured(mean=0.9397, n=10, sd=1.0))[0] is False


def test_one_spread_serves_both() -> None:
    # t(2) = 4.303, half width 4.303 * 0.01 * sqrt(1 + 1/3) = 0.04969
    seeded = Measured(mean=0.1, n=3, sd=0.01)
    for other, is_tied in ((0.1496, True), (0.1498, False)):
        single = Measured(mean=other, interval=(0.0, 1.0))
        assert tied(seeded, single) == (is_tied, TieBasis.SEEDS)
        assert tied(single, seeded) == (is_tied, TieBasis.SEEDS)


def test_one_degree_of_freedom_is_no_spread() -> None:
    twice, single = Measured(mean=0.13, n=2, sd=0.02), Measured(mean=0.27, interval=(0.24, 0.31))
    assert tied(twice, single) == (False, TieBasis.INTERVAL)
    assert tied(twice, Measured(mean=0.27)) == (None, TieBasis.UNKNOWN)


def test_the_spread_is_pooled_over_all_that_was_repeated() -> None:
    pooled = pooled_spread([(0.1, 0.12), (0.5,), (0.2, 0.23, 0.26)])
    assert pooled is not None and pooled.freedom == 3
    assert pooled.sd == pytest.approx(((0.0002 + 0.0018) / 3) ** 0.5)
    # t(3) = 3.182, half width 3.182 * 0.02582 * sqrt(1.5) = 0.1006
    twice = Measured(mean=0.11, n=2, sd=0.0141)
    assert tied(twice, Measured(mean=0.21), pooled) == (True, TieBasis.SEEDS)
    assert tied(twice, Measured(mean=0.211), pooled) == (False, TieBasis.SEEDS)
    assert pooled_spread([(0.1,), (0.2,)]) is None


def test_two_seeds_say_little() -> None:
    assert tied(Measured(mean=0.1, n=2, sd=0.001), Measured(mean=0.105, n=2, sd=0.001))[0] is False
    assert tied(Measured(mean=0.1, n=2, sd=0.001), Measured(mean=0.104, n=2, sd=0.001))[0] is True


@pytest.mark.parametrize(("other", "is_tied"), [(0.11, True), (0.13, False)])
def test_without_seeds_the_better_ones_interval_decides(other: float, is_tied: bool) -> None:
    better = Measured(mean=0.1, interval=(0.08, 0.12))
    assert tied(better, Measured(mean=other, interval=(0.0, 1.0))) == (is_tied, TieBasis.INTERVAL)
    assert tied(Measured(mean=other), better) == (is_tied, TieBasis.INTERVAL)


def test_nothing_known_is_said_and_equal_is_equal() -> None:
    assert tied(Measured(mean=0.1), Measured(mean=0.2)) == (None, TieBasis.UNKNOWN)
    assert tied(Measured(mean=0.1), Measured(mean=0.1)) == (True, TieBasis.UNKNOWN)
    still = Measured(mean=0.1, n=2, sd=0.0)
    assert tied(still, still)[0] is True
    assert tied(still, Measured(mean=0.1001, n=2, sd=0.0))[0] is False
