"""`cts strategies` and `cts check-strategy`: on recorded candles and random walks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles
from chalicelib.domain.strategies import STRATEGIES, Strategy, strategy_named
from chalicelib.errors import Rejected, UsageError
from chalicelib.operations.strategies.check import STRETCH, Fault, check
from chalicelib.operations.strategies.check_candles import recorded, walked
from tests.domain.ladder_candles import RECORDED
from tests.shared import shared_path
from tests.strategy_files import HEAD, SOUND, Files, cts, strategy_files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    with strategy_files(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture(scope="module")
def stretches() -> list[Candles]:
    return recorded(shared_path(RECORDED), "1h", 3)


def written(files: Files, *lines: str) -> Strategy:
    """Return a strategy of a function with these lines."""
    files.write("mine", "\n    ".join((f"{HEAD}\ndef vote(window, parameters):", *lines)))
    return strategy_named("mine")


def first_fault(strategy: Strategy, stretches: list[Candles]) -> Fault:
    """Return the first fault, of a strategy whose one mistake may break both rules."""
    return check(strategy, stretches).faults[0]


def only_fault(strategy: Strategy, stretches: list[Candles]) -> Fault:
    (fault,) = check(strategy, stretches).faults
    return fault


SPEAK = "return votes_where(gap != 0, np.sign(gap), np.full(gap.shape, 0.7))"


@pytest.mark.parametrize("bar", [STRETCH - ANCHOR_BLOCK, STRETCH - 100, STRETCH - 2])
def test_a_peek_at_the_next_bar_is_named_with_its_bar(
    files: Files, stretches: list[Candles], bar: int
) -> None:
    traded = stretches[0]
    mine = written(
        files,
        "def peek():",
        f"    at = (window.close == {float(traded.close[1, bar])!r}) & "
        f"(window.volume == {float(traded.volume[1, bar])!r})",
        "    after = np.concatenate((window.close[:, 1:], window.close[:, -1:]), axis=1)",
        "    return np.where(at, after, window.close)",
        "known = window.sma(20)",
        "gap = window.remember('next_close', peek) - known",
        SPEAK,
    )
    fault = only_fault(mine, stretches)
    assert (fault.kind, fault.indicator) == ("LOOKS AHEAD", "next_close")
    assert (fault.symbol, fault.time) == (traded.symbols[1], int(traded.open_time[bar]))
    assert fault.one == traded.close[1, bar]
    assert fault.other == traded.close[1, bar + 1]


PEEKS = {
    "next bar": "gap = np.zeros(close.shape); gap[:, :-1] = close[:, 1:] - close[:, :-1]",
    "roll": "gap = np.roll(close, -1, axis=1) - close",
    "centred": "gap = np.apply_along_axis(np.convolve, 1, close, np.ones(5) / 5, 'same') - close",
    "maximum": "gap = close / np.nanmax(close, axis=1, keepdims=True) - 0.95",
    "mean": "gap = close - np.nanmean(close, axis=1, keepdims=True)",
    "length": "gap = (close - window.sma(20)) * (close.shape[1] % 2)",
    "backwards": "gap = close - np.maximum.accumulate(close[:, ::-1], axis=1)[:, ::-1] * 0.99",
}


@pytest.mark.parametrize("line", PEEKS.values(), ids=PEEKS)
def test_looking_ahead_outside_of_remembered_indicators_is_found(
    files: Files, stretches: list[Candles], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(files, "close = window.close", line, SPEAK)
    fault = first_fault(mine, stretches)
    assert (fault.kind, fault.shown) == ("LOOKS AHEAD", "score")
    assert cts("check-strategy", "mine", "--symbols", "1") == 1
    said = capsys.readouterr().out
    assert "mine: LOOKS AHEAD: score of WALK1/USDT at the bar of 2020-" in said
    assert "wrap its steps in window.remember" in said


def test_a_remembered_value_of_the_whole_window_is_named(files: Files, stretches: list[Candles]) -> None:
    mine = written(
        files,
        "highest = window.remember('highest', lambda: np.nanmax(window.close, axis=1))",
        "gap = window.close - 0.95 * highest[:, None]",
        SPEAK,
    )
    fault = first_fault(mine, stretches)
    assert (fault.kind, fault.indicator, fault.shown) == ("LOOKS AHEAD", "highest", "score")


def test_a_vote_by_the_place_in_the_window_is_named_with_its_bar(
    files: Files, stretches: list[Candles]
) -> None:
    mine = written(
        files,
        "place = lambda: window.close * 0 + np.arange(window.close.shape[1]) % 7 - 3",
        "window.sma(9); gap = window.remember(('place', 7), place)",
        SPEAK,
    )
    fault = only_fault(mine, stretches)
    assert (fault.kind, fault.indicator, fault.missing_bars) == ("DEPENDS ON ITS START", "place(7)", 1)
    assert fault.suspects == ("place(7)", "score")
    # From bar 257 on, the first whose sign is another one a bar earlier: 259 % 7 is 0, 258 % 7 is 6.
    assert (fault.symbol, fault.time) == ("BTC/USDT", int(stretches[0].open_time[259]))
    assert (fault.one, fault.other) == (3.0, -3.0)


def test_a_mean_since_the_first_bar_is_named(
    files: Files, stretches: list[Candles], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(
        files,
        "so_far = lambda: np.cumsum(window.volume, axis=1) / np.arange(1, 1 + window.close.shape[1])",
        "gap = window.mean_volume(5) - window.remember('so_far', so_far)",
        SPEAK,
    )
    fault = only_fault(mine, stretches)
    assert (fault.kind, fault.indicator) == ("DEPENDS ON ITS START", "so_far")
    assert cts("check-strategy", "mine") == 1
    said = capsys.readouterr().out
    assert "mine: DEPENDS ON ITS START: so_far of WALK" in said
    assert "with candles that begin 1 bars later and" in said


def test_an_average_too_long_for_the_window_is_named_and_a_short_one_passes(
    files: Files, stretches: list[Candles]
) -> None:
    def averaged(period: int) -> Strategy:
        return written(
            files,
            f"gap = window.close - window.ema({period})",
            "return votes_where(gap != 0, gap / window.close * 20, np.full(gap.shape, 0.7))",
        )

    assert check(averaged(50), stretches).faults == ()
    fault = only_fault(averaged(220), stretches)
    assert (fault.kind, fault.indicator) == ("DEPENDS ON ITS START", "ema(220)")


def test_a_sum_from_the_first_bar_may_be_used_by_its_differences(
    files: Files, stretches: list[Candles]
) -> None:
    mine = written(
        files,
        "total = window.remember('total', lambda: np.cumsum(window.volume * np.sign(window.close), axis=1))",
        "gap = np.zeros(total.shape); gap[:, 30:] = total[:, 30:] - 30 * window.mean_volume(10)[:, 30:]",
        "gap[:, 30:] -= total[:, :-30]",
        SPEAK,
    )
    assert check(mine, stretches).faults == ()


def test_chance_and_memory_are_not_repeatable(files: Files, stretches: list[Candles]) -> None:
    mine = written(files, "gap = np.random.default_rng().standard_normal(window.close.shape)", SPEAK)
    assert only_fault(mine, stretches).kind == "IS NOT REPEATABLE"


def test_a_check_without_votes_proves_nothing(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    written(files, "gap = window.close * 0", SPEAK)
    assert cts("check-strategy", "mine", "--symbols", "1") == 1
    assert "mine: NEVER VOTES\n    it abstained everywhere" in capsys.readouterr().out


def test_a_strategy_must_bear_few_bars(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    written(files, "gap = window.close - window.close[:, 4:5]", SPEAK)
    assert cts("check-strategy", "mine", "--symbols", "1") == 1
    assert "mine: FAILS: on 1 bars, as of a new market" in capsys.readouterr().out


@pytest.mark.parametrize("timeframe", ["1h", "5m"])
def test_all_shipped_strategies_pass_on_recorded_candles(
    files: Files, timeframe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(shared_path(RECORDED))
    assert cts("check-strategy", "all", "--data", data, "--timeframe", timeframe, "--symbols", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == sorted(STRATEGIES)
    assert all(": sound (774 windows of 3 symbols" in line for line in lines)


def test_all_goes_on_past_a_broken_file(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write("broken", "import nothing_of_that_name")
    files.write("trend", SOUND)
    files.write("mine", SOUND)
    assert cts("check-strategy", "all", "--symbols", "1") == 1
    said = capsys.readouterr().out
    assert "broken.py, line 1: the file does not import" in said
    assert "trend: FAILS" in said
    assert "'trend' is the name of a shipped strategy" in said
    assert "mine: sound" in said
    assert said.endswith("2 of 7 failed: broken, trend\n")


def test_the_list_says_what_cannot_be_used(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write("mine", SOUND)
    assert cts("strategies") == 0
    files.write("broken", "import nothing_of_that_name")
    assert cts("strategies") == 1
    lines = capsys.readouterr().out.splitlines()[-len(STRATEGIES) - 2 :]
    assert lines[0].split() == ["trend", "shipped,", "needs", "28", "bars"]
    assert lines[-2].startswith("broken           CAN'T BE USED: ")
    assert lines[-1] == f"mine             {files.directory / 'mine.py'}, needs 20 bars"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--symbols", "BTC/USDT"), "names need --data DIR"),
        (("--symbols", "0"), "1 to 50"),
        (("--timeframe", "7m"), "7m"),
        (("--seed", "-1"), "use 0 or more"),
        (("--data", "nowhere"), "not a directory"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cts("check-strategy", "trend", *arguments)


def test_an_unknown_strategy_is_refused(files: Files) -> None:
    with pytest.raises(Rejected, match="unknown strategy 'dips'"):
        cts("check-strategy", "dips")


def test_walks_are_candles_with_all_that_markets_do() -> None:
    first, again = walked("5m", 2, 7), walked("5m", 2, 7)
    for one, other in zip(first, again, strict=True):
        assert one.bars == STRETCH
        assert one.close.tobytes() == other.close.tobytes()
        present = one.close == one.close
        assert 0 < (~present).sum() < 30
        assert (one.volume[present] == 0.0).any()
        assert (one.low[present] <= one.close[present]).all()
        assert (one.high[present] >= one.open[present]).all()
    assert (first[0].close[0, :9] != walked("5m", 2, 8)[0].close[0, :9]).any()
