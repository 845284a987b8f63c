"""The commands for strategies: `cts strategies`, `cts new-strategy NAME` and `cts check-strategy NAME`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.domain.timeframes import TIMEFRAMES
from chalicelib.errors import CtsError, Rejected, UsageError
from chalicelib.local.options import DATA_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.domain.candles import Candles

ALL = "all"
DEFAULT_SYMBOLS = "5"
MOST_WALKS = 50


def register(commands: Any) -> None:
    """Add the commands to the parser's commands."""
    listing = commands.add_parser(
        "strategies",
        help="list all strategies, and what is wrong with yours",
        description="List the shipped strategies and yours, with the bars they need. Exit code 1 if a file "
        "of yours can't be used.",
    )
    listing.set_defaults(command=list_command)
    new = commands.add_parser(
        "new-strategy",
        help="write a strategy of your own, and its test",
        description="Write a small strategy that works, and its test: change it to what you have in mind.",
    )
    new.add_argument("name", metavar="NAME", help="its name: small letters, digits and _")
    new.add_argument("--directory", type=Path, metavar="DIR", help="where to (default: where it is found)")
    new.set_defaults(command=new_command)
    _register_check(commands)


def _register_check(commands: Any) -> None:
    check = commands.add_parser(
        "check-strategy",
        help="prove that a strategy knows no future and forgets where its candles begin",
        description="Evaluate a strategy as live and as in a backtest, and from several starting points: its "
        "votes must be the same. Without --data on a random walk. Exit code 1 if a fault is found.",
    )
    add = check.add_argument
    add("name", metavar="NAME", help=f"the strategy, or {ALL}")
    add("--data", type=Path, metavar="DIR", help=f"check on recorded candles: {DATA_HELP}")
    add("--timeframe", default="1h", metavar="T", help=f"{', '.join(TIMEFRAMES)} (default: 1h)")
    add("--symbols", default=DEFAULT_SYMBOLS, metavar="N|LIST", help="how many, or BTC/USDT,ETH/USDT")
    add("--seed", type=int, default=1, metavar="N", help="seed of the random walk (default: 1)")
    check.set_defaults(command=check_command)


def list_command(_given: argparse.Namespace) -> int:
    """Print a line for each strategy; 1 if a user's can't be used."""
    from chalicelib.domain.strategies import STRATEGIES, users

    for name, strategy in STRATEGIES.items():
        print(f"{name:<16} shipped, needs {strategy.warm_up} bars")
    unusable = 0
    for name in users.user_names():
        try:
            strategy = users.load(name)
        except Rejected as refused:
            unusable += 1
            print(f"{name:<16} CAN'T BE USED: {refused}")
        else:
            print(f"{name:<16} {users.source_of(name)}, needs {strategy.warm_up} bars")
    return 1 if unusable else 0


def new_command(given: argparse.Namespace) -> int:
    """Write the files of a strategy and say what comes next."""
    from chalicelib.operations.strategies import scaffold

    written = scaffold.write(given.name, given.directory)
    print(f"wrote {written.strategy}\nwrote {written.test}\nnext:")
    if not written.found:
        print(f"  move it to {scaffold.package_directory()}: the engine finds it there, by its name")
    print(f"  cts check-strategy {given.name}    proves that it doesn't look ahead and has warmed up")
    print(f"  python -m pytest {written.test}")
    print("  docs/strategies.md    what a strategy may do, and how to trade it")
    return 0


def check_command(given: argparse.Namespace) -> int:
    """Check a strategy, or all; 1 if one has a fault."""
    from chalicelib.domain.strategies import strategy_named, strategy_names
    from chalicelib.domain.strategies.users import user_names

    names = sorted({*strategy_names(), *user_names()}) if given.name == ALL else (given.name,)
    if given.name != ALL:
        strategy_named(given.name)
    stretches = _candles(given)
    failed = [name for name in names if not _check(name, stretches)]
    if failed:
        print(f"{len(failed)} of {len(names)} failed: {', '.join(failed)}")
    return 1 if failed else 0


def _check(name: str, stretches: Sequence[Candles]) -> bool:
    """Check one strategy, print what was found, and tell whether it is sound."""
    from chalicelib.domain.strategies import strategy_named, users
    from chalicelib.operations.strategies.check import check
    from chalicelib.operations.strategies.told import told

    try:
        strategy = users.load(name) if users.source_of(name) else strategy_named(name)
        checked = check(strategy, stretches)
    except CtsError as refused:
        print(f"{name}: FAILS: {refused}")
        return False
    print("\n".join(told(name, checked, stretches)))
    return not checked.faults


def _candles(given: argparse.Namespace) -> Sequence[Candles]:
    from chalicelib.operations.strategies.check_candles import recorded, walked

    text: str = given.symbols
    if given.data is not None:
        names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
        return recorded(given.data, given.timeframe, int(text) if text.isdigit() else names)
    if not text.isdigit() or not 1 <= int(text) <= MOST_WALKS:
        raise UsageError(
            f"--symbols {text!r}: without --data it is how many random walks, 1 to {MOST_WALKS}; "
            "names need --data DIR"
        )
    if given.seed < 0:
        raise UsageError(f"--seed {given.seed}: use 0 or more")
    return walked(given.timeframe, int(text), given.seed)
