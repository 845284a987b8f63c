"""Lets vectorbt trade the ladder's bench, in an environment of its own: `vectorbt_child.py IN.npz OUT.npz`.

Started by `bench_ladder`. Runs once for every line on its standard input, the first time to compile, and
answers each with a line of JSON: the seconds. At the end of the input it writes its trades.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import vectorbt as vbt
from numba import njit
from vectorbt.portfolio.enums import Direction, StopEntryPrice, StopExitPrice


@njit  # type: ignore[untyped-decorator]
def trail_by_entry(c: Any, distance: Any) -> Any:
    """Trail by a share of the entry price, where vectorbt's own stop trails by a share of the best one."""
    if c.curr_trail:
        return distance[c.col] * c.init_price / c.curr_price, True
    return c.curr_stop, False


def portfolio(given: Any) -> Any:
    """Return vectorbt's portfolio: one column per set, entries and exits at the next open, stops within."""
    symbol, source, long = given["symbol"], given["source"], given["direction"] > 0
    told = given["signals"][source, symbol].T
    follows, opposes = told == given["direction"], told == -given["direction"]
    opens = given["open"][symbol].T
    following = np.vstack((opens[1:], given["close"][symbol].T[-1:]))
    return vbt.Portfolio.from_signals(
        given["close"][symbol].T,
        entries=follows & long,
        exits=opposes & long,
        short_entries=follows & ~long,
        short_exits=opposes & ~long,
        price=following,
        open=opens,
        high=given["high"][symbol].T,
        low=given["low"][symbol].T,
        sl_stop=given["stop"][None, :],
        sl_trail=given["trails"][None, :],
        tp_stop=given["target"][None, :],
        adjust_sl_func_nb=trail_by_entry,
        adjust_sl_args=(given["stop"],),
        stop_entry_price=StopEntryPrice.FillPrice,
        stop_exit_price=StopExitPrice.StopLimit,
        fees=float(given["fee"]),
        size=1.0,
        init_cash=1e9,
        freq="1h",
    )


def run(given: Any) -> tuple[dict[str, float], Any]:
    """Trade, then work out statistics of every set; return the seconds until each, and the closed trades."""
    begun = time.perf_counter()
    traded = portfolio(given)
    trades = traded.trades.closed
    seconds = {"trades": time.perf_counter() - begun}
    numbers = (trades.profit_factor(), trades.win_rate(), trades.expectancy())
    hours = traded.drawdowns.avg_duration()
    seconds["statistics"] = time.perf_counter() - begun
    assert all(len(column) == len(given["symbol"]) for column in (*numbers, hours))
    return seconds, trades


def main() -> None:
    with np.load(sys.argv[1]) as loaded:
        given = dict(loaded)
    for _ in sys.stdin:
        seconds, closed = run(given)
        print(json.dumps(seconds), flush=True)
    trades = closed.records
    assert (trades["direction"] == np.where(given["direction"][trades["col"]] > 0, *Direction[:2])).all()
    names = ("col", "entry_idx", "entry_price", "exit_idx", "exit_price", "return")
    np.savez(sys.argv[2], **{name: trades[name].to_numpy() for name in names})


if __name__ == "__main__":
    main()
