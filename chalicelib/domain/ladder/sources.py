"""Signal sources of configuration sets: strategies and indications with parameters; ladders enter by them.

An indication is the vote of the strategy `step` with that one condition: its direction is the score, its
strength the confidence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indications.conditions import KINDS, Activity, Kind
from chalicelib.domain.strategies import parameters_of, strategy_named, strategy_votes
from chalicelib.domain.strategies.base import Votes, Window
from chalicelib.domain.strategies.combine import crossings
from chalicelib.domain.strategies.step import StepParameters
from chalicelib.domain.trading_settings import StrategyChoice
from chalicelib.errors import Rejected

Signs = NDArray[np.int8]
SourceKind = Literal["strategy", "indication"]
Variant = tuple[str, str]
"""A strategy and its parameters as text: what a vote depends on besides the window."""

_ACTIVITY = ("short", "long", "threshold")
_STEPS = ("k", "step_size")
INDICATION_PARAMETERS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {"move": _STEPS, "direction": _STEPS, "active": _ACTIVITY, "optimal": _STEPS + _ACTIVITY}
)
"""What each indication may be told; `k` must be."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source of signals. `label` names it in set ids; `strategy` and `parameters` are what votes."""

    label: str
    strategy: str
    parameters: Any

    @property
    def variant(self) -> Variant:
        return self.strategy, repr(self.parameters)


def parameter_defaults(kind: SourceKind, name: str) -> Mapping[str, Any]:
    """Return the parameters that a source takes with their defaults; `k` has 0, which is no valid one.

    Raises Rejected with the known names for an unknown strategy or indication.
    """
    if kind == "strategy":
        defaults = strategy_named(name).parameters()
        return {item.name: getattr(defaults, item.name) for item in fields(defaults) if _plain(item.name)}
    if name not in KINDS:
        raise Rejected(f"unknown indication {name!r}: use one of {', '.join(KINDS)}")
    known = {"k": 0, "step_size": StepParameters().step_size}
    known |= {item.name: item.default for item in fields(Activity) if item.default is not MISSING}
    return {key: known[key] for key in INDICATION_PARAMETERS[name]}


def make_source(kind: SourceKind, name: str, values: Mapping[str, Any]) -> Source:
    """Return the source of a strategy or indication with parameters; defaults where `values` is silent.

    Its label names the parameters that differ from their defaults, so one source has one label whatever was
    said of it. Raises Rejected for parameters that there are not, or that do not fit together.
    """
    defaults = parameter_defaults(kind, name)
    unknown = [key for key in values if key not in defaults]
    if unknown:
        raise Rejected(f"{kind} {name} has no parameter {unknown[0]!r}: use {', '.join(defaults)}")
    asked = {key: values.get(key, default) for key, default in defaults.items()}
    named = [f"{key}={_text(value)}" for key, value in asked.items() if value != defaults[key]]
    label = f"{name}({','.join(named)})" if named else name
    if kind == "strategy":
        return Source(label, name, parameters_of(name, asked))
    return Source(label, "step", _condition(name, asked))


def chosen_sources(choices: Mapping[str, StrategyChoice]) -> tuple[Source, ...]:
    """Return the sources of a selection of strategies: labelled by their names, whatever their parameters."""
    return tuple(
        Source(name, name, parameters_of(name, choice.parameters)) for name, choice in choices.items()
    )


def votes_of(window: Window, source: Source) -> Votes:
    """Return what a source says on a window."""
    return strategy_votes(strategy_named(source.strategy), window, source.parameters)


def source_signals(
    window: Window,
    sources: Sequence[Source],
    min_confidence: float,
    first: int = 0,
    known: Mapping[Variant, Votes] | None = None,
) -> Signs:
    """Return where each source alone would signal, int8 `[sources, symbols, bars from first on]`.

    Indicators are shared through the window, votes that are `known` already are not computed again. Votes
    themselves are not kept: a thousand variants would not fit into memory.
    """
    symbols, bars = window.close.shape
    found = np.zeros((len(sources), symbols, bars - first), dtype=np.int8)
    ready = known or {}
    for row, source in enumerate(sources):
        votes = ready.get(source.variant) or votes_of(window, source)
        found[row] = crossings(votes, min_confidence, window.traded)[:, first:]
    return found


def _condition(kind: str, values: Mapping[str, Any]) -> StepParameters:
    """Return the parameters with which the strategy `step` is one indication."""
    named: dict[str, Any] = {"kinds": (kind,), "ks": ()}
    if "k" in values:
        named |= {"ks": (values["k"],), "step_size": values["step_size"]}
    if "short" in values:
        named["activity"] = Activity(*(values[key] for key in _ACTIVITY))
    return StepParameters(**named)


def _plain(name: str) -> bool:
    """Tell whether a parameter is one value: the `activity` of `step` is a group of its own."""
    return name != "activity"


_TEXTS: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {
        float: lambda value: f"{Decimal(str(value)).normalize():f}",
        tuple: lambda value: "+".join(map(str, value)),
    }
)


def _text(value: Any) -> str:
    """Return a parameter as part of a label: one text per value, without the separator of set ids."""
    return _TEXTS.get(type(value), str)(value)
