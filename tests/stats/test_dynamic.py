from __future__ import annotations

import numpy as np
import pytest

from tallymark.stats.dynamic import Belief, Dynamic, Family, Forecast
from tallymark.stats.special import Floats

BELIEF = Belief(variance=0.01, weekday=0.1, slope=0.002)
ALL = np.array([True])


def followed(
    family: Family, values: Floats, trials: Floats | None = None, belief: Belief = BELIEF
) -> tuple[Dynamic, Forecast]:
    """One number led through days, and the forecast of the day after."""
    model = Dynamic(family, 1, belief, half_life=21.0)
    for day, value in enumerate(values):
        model.advance(day)
        tried = None if trials is None else trials[[day]]
        model.learn(model.forecast(), np.array([value]), tried, ALL)
    model.advance(len(values))
    return model, model.forecast()


def test_the_first_day_sets_the_level() -> None:
    """After one day of 400 about 400 is expected, as widely as belief and counting say."""
    _, found = followed(Family.COUNT, np.array([400.0]))
    assert float(np.exp(found.mean[0])) == pytest.approx(400, rel=0.02)
    # the day's own effect and the weekday's, each of yesterday and of today
    assert float(found.spread[0]) == pytest.approx(2 * 0.01 + 2 * 0.01 + 1 / 400, rel=0.15)


def test_money_is_the_textbook_filter() -> None:
    """With neither weekday, trend nor walk, two equal days halve the doubt about the level."""
    still = Belief(variance=1.0, weekday=0.0, slope=0.0, drift=0.0, freedom=1e9)
    _, found = followed(Family.MONEY, np.exp(np.array([3.0, 5.0])), belief=still)
    assert float(found.mean[0]) == pytest.approx(4.0, abs=0.1)
    assert float(found.known[0]) == pytest.approx(0.5, abs=0.01)
    assert float(found.spread[0]) == pytest.approx(1.5, abs=0.01)


def test_a_poisson_number_is_the_gamma_poisson_update() -> None:
    """A conjugate update: shape and rate of the gamma grow by the count and by one day."""
    model, found = followed(Family.COUNT, np.full(9, 50.0))
    score, gain = model.score(found, np.array([50.0]))
    assert abs(float(score[0])) < 0.15
    spread = float(found.spread[0])
    assert float(gain[0]) == pytest.approx(50 * spread / (1 + 50 * spread), rel=0.05)


@pytest.mark.parametrize("rate", [0.002, 0.3, 0.98])
def test_a_rate_is_found(rate: float) -> None:
    """Thirty days of a thousand trials give the rate."""
    trials = np.full(30, 1000.0)
    _, found = followed(Family.RATE, np.round(trials * rate), trials)
    assert 1 / (1 + float(np.exp(-found.mean[0]))) == pytest.approx(rate, rel=0.07)


def test_the_weekday_is_known_after_some_weeks() -> None:
    """A Sunday of double the sales is expected on Sundays alone."""
    values = np.where(np.arange(42) % 7 == 0, 1600.0, 1000.0)
    wide = Belief(variance=0.01, weekday=0.2, slope=0.0)
    _, sunday = followed(Family.COUNT, values, belief=wide)
    _, monday = followed(Family.COUNT, np.append(values, 1600.0), belief=wide)
    assert float(np.exp(sunday.mean[0])) == pytest.approx(1600, rel=0.1)
    assert float(np.exp(monday.mean[0])) == pytest.approx(1000, rel=0.05)


def test_a_trend_is_followed() -> None:
    """A shop that grows by half a per cent a day is not seen three weeks behind itself."""
    values = 1000 * 1.005 ** np.arange(90)
    _, found = followed(Family.COUNT, np.round(values))
    assert float(np.exp(found.mean[0])) == pytest.approx(float(values[-1]), rel=0.05)


def test_one_wild_day_sets_nothing() -> None:
    """Ten times the usual moves the next day's expectation by a few per cent."""
    values = np.full(30, 500.0)
    values[-1] = 5000
    _, found = followed(Family.COUNT, values)
    assert float(np.exp(found.mean[0])) == pytest.approx(500, rel=0.06)


def test_restlessness_is_learned() -> None:
    """A number that swings by 30 % is given room; a steady one is held closely."""
    rng = np.random.default_rng(4)
    wild = np.round(2000 * np.exp(rng.normal(0, 0.3, 80)))
    calm = rng.poisson(2000, 80).astype(float)
    assert float(followed(Family.COUNT, wild)[0].variance[0]) == pytest.approx(0.09, rel=0.5)
    assert float(followed(Family.COUNT, calm)[0].variance[0]) < 0.004


def test_a_field_that_is_always_there_stays_quiet() -> None:
    """Twenty of twenty, every day, is no surprise on any day, and the level does not run off."""
    trials = np.full(200, 20.0)
    model, found = followed(Family.RATE, trials.copy(), trials)
    score, _ = model.score(found, np.array([20.0]), np.array([20.0]))
    assert abs(float(score[0])) < 0.5
    assert 3 < float(found.mean[0]) < 12


def test_days_left_out_move_nothing_but_doubt() -> None:
    """A week that is not normal leaves the level where it was, a little less certain."""
    model, before = followed(Family.COUNT, np.full(30, 800.0))
    for day in range(31, 38):
        model.learn(model.forecast(), np.array([9.0]), None, np.array([False]))
        model.advance(day)
    after = model.forecast()
    assert float(after.mean[0]) == pytest.approx(float(before.mean[0]), abs=0.05)
    assert float(after.known[0]) > float(before.known[0])


def test_a_copy_goes_its_own_way() -> None:
    """What a copy learns, the original does not."""
    model, found = followed(Family.COUNT, np.full(10, 100.0))
    twin = model.copy()
    twin.learn(found, np.array([300.0]), None, ALL)
    assert float(model.forecast().mean[0]) == float(found.mean[0])
    assert float(twin.forecast().mean[0]) > float(found.mean[0])


def test_scores_are_standardised() -> None:
    """On normal days of a known kind their mean is near 0 and their deviation near 1."""
    rng = np.random.default_rng(6)
    size = 400
    level = 300 * np.exp(rng.normal(0, 0.1, (size, 60)))
    counts = rng.poisson(level).astype(float)
    model = Dynamic(Family.COUNT, size, Belief(0.01, 0.02, 0.0005), half_life=21.0)
    scores = []
    for day in range(60):
        model.advance(day)
        found = model.forecast()
        if day >= 20:
            scores.append(model.score(found, counts[:, day])[0])
        model.learn(found, counts[:, day], None, np.ones(size, dtype=np.bool_))
    assert float(np.mean(scores)) == pytest.approx(0, abs=0.05)
    assert float(np.std(scores)) == pytest.approx(1, abs=0.1)


def test_rates_need_trials() -> None:
    """A rate without its trials is a mistake of the caller."""
    model = Dynamic(Family.RATE, 1, BELIEF, half_life=21.0)
    model.advance(0)
    with pytest.raises(ValueError, match="trials"):
        model.learn(model.forecast(), np.array([3.0]), None, ALL)
