"""The registry of strategies: a shipped one is one file and one line here, a user's is found by its file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal

from chalicelib.domain.strategies import breakout, mean_reversion, momentum, step, trend
from chalicelib.domain.strategies.base import Votes, Window
from chalicelib.errors import Rejected

EngineKind = Literal["preset", "main"]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy as data; `warm_up` is the number of bars its default parameters need before they vote.

    `bar_by_bar`: a vote depends on nothing but what the window's indicators are at its bar. All shipped ones
    are so; of users' nobody knows.
    """

    name: str
    vote: Callable[[Window, Any], Votes]
    parameters: type[Any]
    engine: EngineKind
    warm_up: int
    bar_by_bar: bool = False


def strategy_votes(strategy: Strategy, window: Window, parameters: Any) -> Votes:
    """Return the votes of a strategy at the bars of a window, which may be a tail."""
    if strategy.bar_by_bar or window.whole is None:
        return strategy.vote(window, parameters)
    votes = strategy.vote(window.whole, parameters)
    return Votes(votes.score[:, -window.bars :], votes.confidence[:, -window.bars :])


def _strategy(
    name: str, vote: Callable[[Window, Any], Votes], parameters: type[Any], engine: EngineKind
) -> Strategy:
    return Strategy(name, vote, parameters, engine, parameters().warm_up, bar_by_bar=True)


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        strategy.name: strategy
        for strategy in (
            _strategy("trend", trend.vote, trend.TrendParameters, "preset"),
            _strategy(
                "mean_reversion", mean_reversion.vote, mean_reversion.MeanReversionParameters, "preset"
            ),
            _strategy("momentum", momentum.vote, momentum.MomentumParameters, "preset"),
            _strategy("breakout", breakout.vote, breakout.BreakoutParameters, "preset"),
            _strategy("step", step.vote, step.StepParameters, "main"),
        )
    }
)


def strategy_named(name: str) -> Strategy:
    """Return a strategy, shipped or a user's.

    Raises Rejected with the known names for an unknown one, with the remedy for a file that can't be used.
    """
    shipped = STRATEGIES.get(name)
    return shipped if shipped is not None else _of_user(name)


def strategy_names() -> tuple[str, ...]:
    """Return all names, the shipped ones first; users' files are not imported for it."""
    from chalicelib.domain.strategies import users

    return (*STRATEGIES, *(name for name in users.user_names() if name not in STRATEGIES))


def source_digest(names: Iterable[str]) -> str:
    """Return what changes with the code of those strategies that are users'; "" if all are shipped.

    Names may carry parameters, as labels of signal sources do: "trend(fast=8)".
    """
    others = {name.partition("(")[0] for name in names} - set(STRATEGIES)
    if not others:
        return ""
    from chalicelib.domain.strategies import users

    return users.digest(others)


def _of_user(name: str) -> Strategy:
    # Imported here: most engines use shipped strategies alone, and their functions start without it.
    from chalicelib.domain.strategies import users

    if users.source_of(name) is None:
        raise Rejected(f"unknown strategy {name!r}: use one of {', '.join(strategy_names())}")
    return users.load(name)


def parameters_of(name: str, values: Mapping[str, Any]) -> Any:
    """Return the parameters of a strategy, defaults where `values` is silent.

    Raises Rejected for an unknown strategy or parameter, or a value of another type or out of its range.
    """
    strategy = strategy_named(name)
    defaults = strategy.parameters()
    known = [item.name for item in fields(strategy.parameters)]
    for key, value in values.items():
        if key not in known:
            raise Rejected(f"strategy {name} has no parameter {key!r}: use {', '.join(known)}")
        _check_type(key, value, getattr(defaults, key))
    return strategy.parameters(**values)


def _check_type(name: str, value: Any, default: Any) -> None:
    """Raise Rejected unless a value has the type of its default; a whole number may stand for a float."""
    allowed = (int, float) if isinstance(default, float) else (type(default),)
    if isinstance(value, bool) is not isinstance(default, bool) or not isinstance(value, allowed):
        raise Rejected(f"{name} must be of type {type(default).__name__}, got {value!r}")
