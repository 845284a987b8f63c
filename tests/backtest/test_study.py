"""The ladder's study on recorded candles of few symbols: placebos, planted skill, and the whole of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.backtest import study as studied
from chalicelib.backtest import study_skill
from chalicelib.backtest.study_candles import in_one_unit
from chalicelib.backtest.study_outcome import compete
from chalicelib.backtest.study_placebo import Contest, placebo_contests
from chalicelib.backtest.study_report import as_json
from chalicelib.backtest.study_skill import AVOIDED, Planted, power, skilled_contest
from chalicelib.domain.candles import Candles, between
from chalicelib.domain.ladder import LEVEL_RULES, Terms
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import read_candles
from tests.shared import shared_path

RECORDED = "data/ohlcv/binance_spot"
BARS = 1_100
TERMS = Terms(0.001, 0.0004)
SYMBOLS = ("BTC/USDT", "COCOS/USDT", "ETH/USDT", "XRP/USDT")


@pytest.fixture(scope="module")
def candles() -> Candles:
    return in_one_unit(read_candles(shared_path(RECORDED), "1h", SYMBOLS))[0]


@pytest.fixture(scope="module")
def real(candles: Candles) -> Contest:
    return studied.real_contest(candles, None)


def drawn(real: Contest, candles: Candles, number: int, rate: float = 1.0, seed: int = 3) -> list[Contest]:
    return list(placebo_contests(real, candles, number, rate, np.random.default_rng(seed)))


def test_placebos_are_the_real_sets_with_as_many_signals_on_other_candles(
    real: Contest, candles: Candles
) -> None:
    (placebo,) = drawn(real, candles, len(real.sets))
    traded = ~np.isnan(candles.close) & (candles.volume > 0)
    assert not placebo.signals[:, ~traded].any()

    def kinds(contest: Contest) -> list[tuple[int, ...]]:
        """Symbol, direction, exits, and signals on candles that count, long and short, of each set."""
        sets = contest.sets
        rows = []
        for n in range(len(sets)):
            own = contest.signals[sets.strategy[n], sets.symbol[n]] * traded[sets.symbol[n]]
            counts = int((own > 0).sum()), int((own < 0).sum())
            rows.append((int(sets.symbol[n]), int(sets.direction[n]), int(sets.profile[n]), *counts))
        return sorted(rows)

    assert kinds(placebo) == kinds(real)
    pairs = list(zip(placebo.sets.strategy.tolist(), placebo.sets.symbol.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs), "two placebos share their entries"
    same = (placebo.signals[:5] == real.signals) & (real.signals != 0)
    assert same.sum() < 0.2 * np.count_nonzero(real.signals)


def test_entries_of_placebos_are_spread_evenly(real: Contest, candles: Candles) -> None:
    (placebo,) = drawn(real, candles, len(real.sets))
    half = candles.bars // 2
    row = candles.symbols.index("BTC/USDT")
    earlier, later = (np.count_nonzero(part) for part in np.split(placebo.signals[:, row], [half], axis=1))
    assert abs(earlier - later) < 4 * np.sqrt(earlier + later)


def test_a_rate_multiplies_the_signals_and_a_seed_repeats_them(real: Contest, candles: Candles) -> None:
    (once,), (again,), (other,) = (drawn(real, candles, 150, seed=seed) for seed in (3, 3, 4))
    assert (once.signals == again.signals).all()
    assert not (once.signals[:20] == other.signals[:20]).all()
    (thrice,) = drawn(real, candles, 150, rate=3.0)
    assert np.count_nonzero(thrice.signals) == pytest.approx(3 * np.count_nonzero(once.signals), rel=0.01)


def test_many_placebos_compete_in_ladders_of_bounded_size(
    real: Contest, candles: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.backtest.study_placebo.FIELD_SETS", 200)
    sizes = [len(contest.sets) for contest in drawn(real, candles, 950)]
    assert sizes == [190] * 5


def test_no_trade_spans_a_redenomination() -> None:
    raw = read_candles(shared_path(RECORDED), "1h", SYMBOLS)
    whole, cut = in_one_unit(raw)
    assert cut == ("COCOS/USDT",)
    row = raw.symbols.index("COCOS/USDT")
    prices = raw.close[row][~np.isnan(raw.close[row])]
    assert prices.max() / prices.min() > 1000
    kept = whole.close[row][~np.isnan(whole.close[row])]
    assert kept.max() / kept.min() < 100
    assert len(kept) > 0.5 * len(prices)
    others = [n for n in range(len(SYMBOLS)) if n != row]
    assert np.array_equal(whole.close[others], raw.close[others], equal_nan=True)


def test_what_sets_did_is_the_same_in_chunks_of_any_size(
    real: Contest, candles: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compete(real, candles, TERMS, LEVEL_RULES["source"])
    monkeypatch.setattr("chalicelib.backtest.study_outcome.CHUNK_BARS", 777)
    parts = compete(real, candles, TERMS, LEVEL_RULES["source"])
    for one, other in ((whole.trades, parts.trades), (whole.changes, parts.changes)):
        for name in one.__slots__:
            assert np.array_equal(getattr(one, name), getattr(other, name))
    assert len(whole.trades.sets) == whole.closed.sum()
    assert len(whole.changes.sets) > 50


def planted(real: Contest, candles: Candles, number: int = 500) -> Planted:
    return skilled_contest(real, candles, number, 2.0, 0.6, TERMS, np.random.default_rng(4))


def test_planted_skill_is_what_it_says(real: Contest, candles: Candles) -> None:
    skilled = planted(real, candles)
    assert np.bincount(skilled.size).tolist() == [100] * len(AVOIDED)
    sets, signals = skilled.contest.sets, skilled.contest.signals
    found = compete(skilled.contest, candles, TERMS, LEVEL_RULES["source"])
    own = signals[sets.strategy, sets.symbol] == sets.direction[:, None]
    # Each signal left is a trade: none moved to another entry when others were left out.
    assert own.sum(axis=1).tolist() == found.closed.tolist()
    skills, _ = power(skilled, found, "source", LEVEL_RULES["source"])
    (none,) = drawn(real, candles, 500, rate=2.0)
    usual = compete(none, candles, TERMS, LEVEL_RULES["source"])
    assert skills[0].mean_return == pytest.approx(usual.trades.net_return.mean(), abs=0.001)
    factors = [skill.profit_factor or 0.0 for skill in skills]
    assert factors == pytest.approx([factors[0] / (1 - avoided) for avoided in AVOIDED], rel=0.25)
    assert skills[0].mean_return < 0 < skills[1].mean_return
    for skill in skills:
        assert skill.trades == pytest.approx(len(usual.trades.sets) / 5, rel=0.25)


def test_who_leaves_out_every_loser_never_loses(
    real: Contest, candles: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_skill, "AVOIDED", (0.0, 1.0))
    skilled = planted(real, candles, 200)
    found = compete(skilled.contest, candles, TERMS, LEVEL_RULES["source"])
    never = skilled.size[found.trades.sets] == 1
    assert (found.trades.net_return[never] >= 0).all()
    assert (found.trades.net_return[~never] < 0).any()
    skills, powers = power(skilled, found, "source", LEVEL_RULES["source"])
    assert skills[1].profit_factor is None
    assert skills[1].win_rate == pytest.approx(1.0, abs=0.01)
    # Without a loss there is no drawdown, and nothing keeps these sets from real.
    top = powers[1].reached[1]
    assert top.judged > 20
    assert top.reached == top.judged
    assert powers[0].reached[1].reached == 0


def test_a_whole_study_is_repeatable_and_hangs_together(candles: Candles) -> None:
    candles = between(candles, int(candles.open_time[-BARS]), candles.closed_until)
    real = studied.real_contest(candles, None)
    options = studied.StudyOptions(Path("x"), symbols=len(SYMBOLS), placebo=300, skilled=200, seed=5)
    told: list[str] = []
    found = studied.study(options, candles, (), real, TERMS, told.append)
    assert found == studied.study(options, candles, (), real, TERMS, lambda _: None)
    assert {(f.profile, f.group) for f in found.findings} == {
        (profile, group) for profile in studied.studied_rules(3600) for group in ("real", "placebo")
    }
    for one in found.findings:
        main, top = one.reached
        assert one.sets >= main.judged >= main.reached >= top.reached
        assert one.now_on["main"] + one.now_on["real"] <= main.reached
    placebo = found.of("source", "placebo")
    assert placebo.reached[0].reached > found.of("prudent", "placebo").reached[0].reached > 0
    # Random entries lose what a round trip costs, but for a trend of these months.
    assert -0.008 < placebo.mean_return < 0.002
    assert "placebo" in " ".join(told)
    assert {(one.profile, one.avoided) for one in found.power} == {
        (profile, avoided) for profile in studied.studied_rules(3600) for avoided in AVOIDED
    }
    assert sum(skill.sets for skill in found.skills) == 200
    other = studied.study(replace(options, seed=6, skilled=0), candles, (), real, TERMS, lambda _: None)
    assert (other.skills, other.power) == ((), ())
    assert other.of("source", "placebo") != placebo
    assert other.of("source", "real").reached == found.of("source", "real").reached
    assert "data" not in as_json(found, options)["options"]


@pytest.mark.parametrize(("timeframe", "hours"), [(60, 12.0), (300, 12.0), (900, 36.0), (3600, 144.0)])
def test_profiles_are_studied_as_a_connection_of_that_timeframe_has_them(
    timeframe: int, hours: float
) -> None:
    rules = studied.studied_rules(timeframe)
    assert rules["prudent"].real.drawdown_hours == hours
    assert rules["source"].real.drawdown_hours == 12.0
    without = rules[studied.SOURCE_ANY_DRAWDOWN], rules[studied.ANY_DRAWDOWN], rules[studied.ANY_LUCK]
    assert [one.real.drawdown_hours for one in without] == [None] * 3
    assert [one.real.edge for one in without] == [None, 0.95, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"placebo": 0},
        {"skilled": 10_001},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"costs": -1.0},
        {"seed": -1},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))}"):
        studied.StudyOptions(Path("x"), **wrong)
